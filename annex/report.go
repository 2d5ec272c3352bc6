package annex

import "sort"

// An Envelope is what UNB tells, as written there.
type Envelope struct {
	Syntax         string // "UNOC:3"
	Sender         string // UNB 0004
	Recipient      string // UNB 0010
	Date           string // JJMMTT; JJJJMMTT in other Verfahren
	Time           string // HHMM
	Reference      string // UNB 0020, Datenaustauschreferenz, five digits
	ApplicationRef string // UNB 0026, Anwendungsreferenz = logical file name
}

// A Verdict is what a check says about a file.
type Verdict string

// The verdicts.
const (
	Accepted Verdict = "accepted" // no error
	Partly   Verdict = "partly"   // some messages are refused, at least one is good
	Rejected Verdict = "rejected" // the file as a whole, or every message of it
)

// A Finding is one thing that [Check] found. Numbers count from 1; 0 means that
// it does not apply.
type Finding struct {
	Stage     int
	Code      string // "10061"; our own "G1-005"
	Official  bool   // Code is a number of the official catalogue
	Severity  Severity
	Message   int64  // running number of the message in the file
	Reference string // its UNH reference
	Type      string // its type, "AUFN"

	Segment            string // tag
	Position           int    // running number of that segment type inside the message
	Element, Component int
	SegmentNumber      int64 // running number of the segment in the file
	Offset             int64 // bytes from the start of the file, from 0

	Basis  string // the sources of the rule, or [OwnCheck]
	Text   string // German, without any value that could be patient data
	TextEN string // the same in English
}

// A Geschaeftsvorfall is what FKT tells.
type Geschaeftsvorfall struct {
	VKZ       string // Verarbeitungskennzeichen, two characters
	Number    string // running number, two digits
	Sender    string // IK
	Recipient string // IK of the Krankenkasse itself
}

// A Refused is a message that the answer must name.
type Refused struct {
	Message   int64  // running number in the file, from 1
	Reference string // UNH 0062
	Type      string
	FKT       Geschaeftsvorfall // the one in which the first fault lies
	Faults    []FHL             // at least one, at most [MaxFHL]; only the first where very many stand before
}

// A Report is what [Check] found out about a file.
type Report struct {
	Envelope      Envelope
	Types         []string // message types in order of first appearance
	Messages      int64    // number of UNH
	Segments      int64    // all of the file, UNA not counted
	FHL           int64    // number of FHL segments in messages: more than 0 in answers only
	Size          int64    // bytes read
	FKTSenders    []string // distinct senders in FKT, in order of first appearance
	FKTRecipients []string // distinct recipients in FKT, likewise
	Versions      []string // distinct message versions in UNH, likewise
	// Truncated tells that one of these lists holds only the first ones of very
	// many. Nobody can then say that each of them is allowed.
	Truncated bool

	// Stages counts the messages by what became of them in stages 1 to 4. Once a
	// stage has failed for a message, later ones are not checked.
	Stages [4]StageResult
	// NotChecked lists rules that need what the options did not give.
	NotChecked []string

	Findings         []Finding // the first ones, in order of appearance
	Errors, Warnings int       // how many there are in all
	Verdict          Verdict
	Refused          []Refused // in order; empty when an error rejects the file as a whole, or by [CheckOptions]
}

// Refuses reports whether the message with this running number is refused.
func (r *Report) Refuses(message int64) bool {
	i := sort.Search(len(r.Refused), func(i int) bool { return r.Refused[i].Message >= message })
	return i < len(r.Refused) && r.Refused[i].Message == message
}

// A StageResult counts messages.
type StageResult struct {
	Passed, Failed, NotChecked int64
}
