package exchange

import "time"

// A Direction tells whether a delivery leaves us or reaches us.
type Direction string

// The two directions.
const (
	Out Direction = "out"
	In  Direction = "in"
)

// A Kind tells what a delivery consists of.
type Kind string

// The kinds. File and Answer go out; the others come in.
const (
	File   Kind = "file"   // from an outbox
	Answer Kind = "answer" // a FEHL that we write
	Pair   Kind = "pair"   // payload with its Auftragsdatei
	Order  Kind = "order"  // an Auftragsdatei alone (sent back with an error number, or without payload)
	Other  Kind = "other"  // neither: kept and shown
)

// A Mode keeps TEST and ECHT apart. It decides the first letter of the
// transfer name and is guarded wherever a file, a route and an Auftragsdatei meet.
type Mode string

// The modes.
const (
	Test       Mode = "test"       // TEST: TKRH0
	Production Mode = "production" // ECHT: EKRH0
)

// A Cause is the short, stable word for why a delivery is held or rejected.
// The operator's language is chosen where it is shown.
type Cause string

// The causes.
const (
	NoCause          Cause = ""
	ByCheck          Cause = "check"             // our own check found the content wrong
	ByPartner        Cause = "partner"           // the partner answered with an error
	ByHand           Cause = "hand"              // an operator
	NoRoute          Cause = "no-route"          // no row of the routing table fits
	ByRoute          Cause = "route"             // its route says so, until an operator releases it
	NoPartner        Cause = "no-partner"        // its partner is no longer configured
	NotEntitled      Cause = "not-entitled"      // the account, sender or signer may not speak for this IK
	KeyProblem       Cause = "key"               // missing, expired, revoked or weak key or certificate
	NumbersExhausted Cause = "numbers-exhausted" // all 1,000 transfer numbers are in use at the partner
	NameTaken        Cause = "name-taken"        // a foreign file stands under our name at the partner
	PartnerRefused   Cause = "refused"           // the server refused; another try cannot help
	LoginFailed      Cause = "login"             // the server did not let us in
	HostKey          Cause = "host-key"          // the server showed a key that is not pinned
	TriesExhausted   Cause = "tries-exhausted"   // dead letter: the limit of attempts is reached
	OutcomeUnknown   Cause = "outcome-unknown"   // looking could not tell whether the partner has it
	Orphan           Cause = "orphan"            // an answer that names nothing of ours
	Ambiguous        Cause = "ambiguous"         // an answer that fits several deliveries
	Contradicts      Cause = "contradicts"       // an answer against an earlier one
	CannotOpen       Cause = "cannot-open"       // decryption or verification failed
	Incomplete       Cause = "incomplete"        // an Auftragsdatei without payload, or the reverse
	BadOrder         Cause = "bad-auftragsdatei" // the Auftragsdatei cannot be read or disagrees with its payload
	NotForUs         Cause = "not-for-us"        // addressed to an IK that is not ours
	Unrecognised     Cause = "unrecognised"      // a file that is neither pair nor answer
	Empty            Cause = "empty"             // zero bytes
	Unreadable       Cause = "unreadable"        // the file could not be read
	Unfinished       Cause = "unfinished"        // its last segment is not UNZ: perhaps half a file
	WrongMode        Cause = "wrong-mode"        // TEST where ECHT was agreed, or the reverse
	Oversize         Cause = "oversize"          // larger than the limit
	SpoolDamaged     Cause = "spool-damaged"     // the spool's bytes are not those taken over
	Duplicate        Cause = "duplicate"         // the very same delivery came before
	OrderGap         Cause = "order"             // its predecessor by UNB 0020 is missing, or does not go on by itself
	PartlyRefused    Cause = "partly"            // some messages were refused, the rest was handed over or sent
)

// An Envelope is what UNB tells about a file.
type Envelope struct {
	Sender         string   // UNB 0004, an IK
	Recipient      string   // UNB 0010, an IK
	Reference      string   // UNB 0020, Datenaustauschreferenz, "00001" to "99999"
	ApplicationRef string   // UNB 0026, Anwendungsreferenz = logical file name
	Types          []string // message types met, in order of first appearance: "AUFN"
	Messages       int64    // number of UNH
}

// Stamp is the layout of DATUM_ERSTELLUNG, JJJJMMTThhmmss in local time
// (Europe/Berlin), as the time package writes layouts.
const Stamp = "20060102150405"

// A Delivery is one row of the ledger.
type Delivery struct {
	ID        int64
	Intake    string // identity, fixed once when taken over; names the spool folder
	Direction Direction
	Kind      Kind
	State     State
	Cause     Cause
	Reason    string // for the operator: no patient data, no original file content

	Due     time.Time // when the next step is due; zero when none is
	Attempt int       // attempts to send that used the line
	TakenAt time.Time
	Changed time.Time // when State was last entered

	Account string // outbox or partner it came in by
	Name    string // original file name
	Size    int64  // bytes, plain (out) or as received (in)
	SHA256  string // hex, of those bytes

	Fingerprint string // of the original in its outbox (inode, size, time), so that a crash cannot take it twice

	Mode Mode

	Envelope Envelope

	Owner         string // ABSENDER_EIGNER: who signs
	Physical      string // ABSENDER_PHYSIKALISCH: who sends this hop
	Partner       string // name of the partner row
	Kostentraeger string // business recipient
	EncryptTo     string // EMPFÄNGER_NUTZER: who may decrypt
	SendTo        string // EMPFÄNGER_PHYSIKALISCH: next hop

	TransferNumber int    // 0 to 999; meaningful when TransferName is set
	TransferName   string // "EKRH0001"; empty until allotted
	Created        string // DATUM_ERSTELLUNG in layout [Stamp]; empty until allotted
	Published      bool   // an attempt reached the moment of publishing the Auftragsdatei

	SealedSize   int64
	SealedSHA256 string
	SealedFor    time.Time // when the first of the keys ends that it was sealed with; zero: never
	PlainSize    int64     // inbound: bytes of the opened file
	Signer       string    // inbound: IKs of the verified signer, comma separated
	ReceivedAt   time.Time // inbound: when the collector had both files

	DeliveredAt time.Time
	AnswerBy    time.Time // when the waiting for an answer ends
	Proof       string    // how we know that the partner has it
	Answer      string    // what the partner answered, in one line, or what we answered
	Answers     int64     // id of the delivery that this one answers; 0 when none
	Replaces    int64     // id of the rejected delivery that this one corrects, or whose good messages it holds; 0 when unknown
	Draft       []byte    // an answer's decided text, or the messages that are left out of the plain file

	OrderSince time.Time // waits since then for a predecessor that does not come by itself; zero: it does not
	Overtakes  bool      // may be published before its predecessor: a gap was recorded, or an operator allowed it
	Repeats    bool      // may be sent although the same was sent before: an operator allowed it

	LeasedBy    string    // the node that works on it; empty: none
	LeasedUntil time.Time // another node may take it over from then on
}

// HasNumber reports whether a transfer number was allotted.
func (d *Delivery) HasNumber() bool { return d.TransferName != "" }

// An Event is one line of a delivery's history.
type Event struct {
	ID       int64
	Delivery int64
	At       time.Time
	What     Happening
	From, To State
	Attempt  int
	Cause    Cause
	Text     string // for the operator: no patient data
}

// A Move asks the ledger to move one delivery, guarded by the state it is
// believed to be in and by whose lease it is believed to be under. Change may
// alter other columns of the row in the same transaction; Drafts are new
// deliveries created in it.
//
// A move ends the row's lease, unless Lease grants the next one.
type Move struct {
	ID     int64
	From   State
	By     Happening
	At     time.Time
	Due    time.Time // next due time; zero: nothing is due
	Cause  Cause
	Text   string
	Change func(*Delivery)
	Drafts []Delivery

	InOrder bool // while the predecessor by UNB 0020 is in work, nothing is due: its last move makes it due

	Holder string // the node that must hold the row's lease; empty: no matter who does
	Lease  Lease  // what the row is under after the move; zero: none
	Turn   Turn   // what the node must hold besides; zero: nothing
}
