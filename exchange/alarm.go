package exchange

import "time"

// An AlarmKind tells what sort of thing is wrong. Its text is stored and is a label of
// metrics.
type AlarmKind string

// The kinds of alarms.
const (
	AlarmHeld           AlarmKind = "held"            // deliveries wait for an operator
	AlarmQuarantined    AlarmKind = "quarantined"     // files were not taken into work
	AlarmRejected       AlarmKind = "rejected"        // by our check or by the partner
	AlarmOverdue        AlarmKind = "overdue"         // an answer was promised and did not come
	AlarmUnknown        AlarmKind = "unknown"         // outcome unknown for too long
	AlarmPartnerStopped AlarmKind = "partner-stopped" // login or host key: not called any more
	AlarmKeyExpiring    AlarmKind = "key-expiring"    // ours or a partner's
	AlarmWindowMissed   AlarmKind = "window-missed"   // what should have gone out did not
	AlarmSilent         AlarmKind = "silent"          // no successful look at the partner's folder for too long
	AlarmNothingArrived AlarmKind = "nothing-arrived" // where something is expected
	AlarmDiskFloor      AlarmKind = "disk-floor"      // intake pauses
	AlarmImbalance      AlarmKind = "imbalance"       // the classes do not add up to what was taken over
	AlarmCalendarEnds   AlarmKind = "calendar-ends"   // no Frist can be worked out soon
	AlarmDeadline       AlarmKind = "deadline"        // a Frist of § 4 passed or is about to
)

// AlarmKinds lists all kinds, most pressing first: the order in a message.
func AlarmKinds() []AlarmKind {
	return []AlarmKind{
		AlarmImbalance, AlarmDiskFloor, AlarmPartnerStopped, AlarmUnknown, AlarmSilent, AlarmWindowMissed, AlarmHeld, AlarmQuarantined, AlarmRejected,
		AlarmOverdue, AlarmNothingArrived, AlarmDeadline, AlarmKeyExpiring, AlarmCalendarEnds,
	}
}

// A Condition is something that is wrong at this moment.
type Condition struct {
	Kind    AlarmKind
	Subject string    // a partner, outbox, IK or folder of the configuration; "" when it is about the whole
	Count   int       // of deliveries; of days left for AlarmKeyExpiring and AlarmCalendarEnds, negative when past; 1 where nothing is counted
	Since   time.Time // zero when not known
}

// Key tells conditions apart.
func (c Condition) Key() string { return string(c.Kind) + "/" + c.Subject }

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
