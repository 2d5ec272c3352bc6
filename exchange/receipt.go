package exchange

// A Verdict is what an answer says about a delivery.
type Verdict string

// The verdicts.
const (
	VerdictAccepted Verdict = "accepted"
	VerdictHint     Verdict = "accepted with hint"
	VerdictRejected Verdict = "rejected"
)

// A Finding is one fault that an answer names, or that our check found.
type Finding struct {
	Message   int64  // running number of the message inside the file, from 1; 0 = the whole file
	Reference string // UNH 0062, "00001"
	Type      string // "AUFN"
	Segment   string // tag, "INV"; empty = the whole message
	Position  int    // running number of that segment type inside the message, from 1 (FHL.2)
	Element   int    // from 1; 0 = the whole segment (FHL.3)
	Code      string // official five-digit number, or our own such as "G4-001"
	Text      string // for the operator
}

// A Receipt is what a partner answered about one delivery of ours.
type Receipt struct {
	// What the answer names. Empty means "not said".
	Sender         string // IK that sent the original: the answer's recipient
	Recipient      string // IK that judged it: the answer's sender
	ApplicationRef string // logical file name of the original
	TransferName   string // of the original, when an Auftragsdatei was sent back
	Created        string // DATUM_ERSTELLUNG of the original, likewise

	Verdict  Verdict
	Findings []Finding
}
