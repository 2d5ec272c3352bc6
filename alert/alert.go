package alert

import (
	"context"
	"time"
)

// A Kind tells what sort of thing is wrong. Its text is stored and is a label of
// metrics.
type Kind string

// The kinds.
const (
	Held           Kind = "held"            // deliveries wait for an operator
	Quarantined    Kind = "quarantined"     // files were not taken into work
	Rejected       Kind = "rejected"        // by our check or by the partner
	Overdue        Kind = "overdue"         // an answer was promised and did not come
	Unknown        Kind = "unknown"         // outcome unknown for too long
	PartnerStopped Kind = "partner-stopped" // login or host key: not called any more
	KeyExpiring    Kind = "key-expiring"    // ours or a partner's
	WindowMissed   Kind = "window-missed"   // what should have gone out did not
	Silent         Kind = "silent"          // no successful look at the partner's folder for too long
	NothingArrived Kind = "nothing-arrived" // where something is expected
	DiskFloor      Kind = "disk-floor"      // intake pauses
	Imbalance      Kind = "imbalance"       // the classes do not add up to what was taken over
	CalendarEnds   Kind = "calendar-ends"   // no Frist can be worked out soon
	Deadline       Kind = "deadline"        // a Frist of § 4 passed or is about to
)

// Kinds lists all kinds, most pressing first: the order in a message.
func Kinds() []Kind {
	return []Kind{
		Imbalance, DiskFloor, PartnerStopped, Unknown, Silent, WindowMissed, Held, Quarantined, Rejected,
		Overdue, NothingArrived, Deadline, KeyExpiring, CalendarEnds,
	}
}

// A Condition is something that is wrong at this moment.
type Condition struct {
	Kind    Kind
	Subject string    // a partner, outbox, IK or folder of the configuration; "" when it is about the whole
	Count   int       // of deliveries; of days left for KeyExpiring and CalendarEnds, negative when past; 1 where nothing is counted
	Since   time.Time // zero when not known
}

// Key tells conditions apart.
func (c Condition) Key() string { return string(c.Kind) + "/" + c.Subject }

// weight grows when a condition gets worse: with the count, or as the days left
// pass 14, 7, 1 and the end.
func (c Condition) weight() int {
	if c.Kind != KeyExpiring && c.Kind != CalendarEnds {
		return c.Count
	}
	weight := 1
	for _, days := range []int{14, 7, 1, -1} {
		if c.Count <= days {
			weight++
		}
	}
	return weight
}

// An Alarm is the memory of a condition.
type Alarm struct {
	Condition                // as last seen
	Raised         time.Time // when it was first seen
	Cleared        time.Time // when it was gone; zero while it lasts
	Acknowledged   time.Time // zero: not yet
	AcknowledgedBy string
	SeenWeight     int             // how bad it was when it was acknowledged
	Told           map[string]Told // by name of the sender
}

// Told is what a sender has told last about an alarm.
type Told struct {
	At     time.Time
	Weight int  // how bad it was then
	Over   bool // that it is over
}

// A Book keeps alarms through crashes.
type Book interface {
	// Alarms returns those that last, and those that are over and not told to all.
	Alarms(ctx context.Context) ([]Alarm, error)
	// KeepAlarms writes alarms by their keys; those with done are removed.
	KeepAlarms(ctx context.Context, keep []Alarm, done []string) error
}

// A Sender carries a message to people.
type Sender interface {
	Name() string // stable: the book remembers by it
	Send(ctx context.Context, m Message) error
}

// A Message is what people get.
type Message struct {
	Subject string // one line
	Text    string // lines of at most 78 characters where nothing longer must stand
	Urgent  bool   // something new is wrong; else a repetition or an all-clear
}
