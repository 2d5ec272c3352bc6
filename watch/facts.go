package watch

import (
	"time"

	"gateway301/exchange"
	"gateway301/schedule"
)

// Facts are what is known at one moment.
type Facts struct {
	Now     time.Time
	Started time.Time // of the service; zero: nobody knows
	Zone    *time.Location

	Tallies   []exchange.Tally // all that is not at rest, and all of the night
	Imbalance int              // files taken over less those that are in a class

	Partners     []Partner
	Outboxes     []Outbox
	Certificates []Certificate

	Free, Floor int64        // bytes where the spool is
	Calendar    schedule.Day // last day for which the calendar was confirmed; zero: there is none
}

// A Partner is what counts of a partner's row, and what was last heard of it.
type Partner struct {
	Name          string
	Window        schedule.Window // of sending
	Collects      bool
	Collect       schedule.Window
	SilentAfter   time.Duration // without a successful look while collecting is open; 0: not watched
	ExpectWithin  time.Duration // something arrives at least so often; 0: not watched
	Stopped       exchange.Cause
	StoppedAt     time.Time
	LastSent      time.Time // last delivery with proof
	LastCollected time.Time // last successful look
	LastArrived   time.Time // last file that came
}

// An Outbox is what counts of a folder of the hospital system.
type Outbox struct {
	Name         string
	ExpectWithin time.Duration // something is laid down at least so often; 0: not watched
	LastTaken    time.Time
}

// A Certificate is one that is used now.
type Certificate struct {
	IK       string
	Own      bool
	NotAfter time.Time
}
