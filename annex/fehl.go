package annex

// MaxFHL is how many segments FHL a FEHL message may hold (12. Fortschreibung;
// 20 before).
const MaxFHL = 40

// An FHL is one fault, as the segment FHL names it.
type FHL struct {
	Segment  string // 1: tag of the faulty segment; empty: no segment, the file or message as a whole
	Position int    // 2: running number of that segment type inside the message; 0 = not said
	Element  int    // 3: position of the faulty element; 0 = not said
	Code     string // 4: error code
	Text     string // 5: error text
}
