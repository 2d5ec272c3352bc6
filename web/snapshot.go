package web

import (
	"context"
	"time"

	"gateway301/exchange"
)

// A Source tells how the gateway is at this moment.
type Source interface {
	Snapshot(ctx context.Context, german bool) (Snapshot, error)
}

// A Snapshot is everything that is shown. Times are in the gateway's zone.
type Snapshot struct {
	At         time.Time
	Started    time.Time
	Version    string
	Host       string
	ConfigHash string

	Sums      map[exchange.Direction]map[exchange.State]int
	Imbalance int // files taken over less those in a class; 0 is right

	Night    Night
	Partners []Partner
	Outboxes []Outbox
	Alarms   []Alarm
	Keys     []Certificate

	SpoolFree, DiskFloor int64 // bytes
	Orphans              int   // answers that match nothing and wait for an operator
}

// A Night says whether the last one is complete, and if not, why.
type Night struct {
	Date     string
	Complete bool
	Missing  []string
}

// A Partner is one row of the configuration.
type Partner struct {
	Name          string
	Waiting       int       // deliveries to it that are in work
	OldestWaiting time.Time // when the oldest of them was taken over; zero: none
	Stopped       string    // why it is not called; "": it is
	LastSent      time.Time // last delivery with proof; zero: never
	LastCollected time.Time // last successful look at its folder; zero: never, or nothing is collected
	Collects      bool
	NextWindow    time.Time // when sending may begin; zero: now
	Finish        time.Time // when what waits is done, estimated; zero: nothing waits, or unknown
	Attempts      map[string]int64
}

// An Outbox is one folder in which the hospital system lays down files.
type Outbox struct {
	Name      string
	Events    int64 // looks that a file event brought about
	Rescans   int64 // looks that were due anyway
	ByEvent   int64 // files taken after the first
	ByRescan  int64 // files taken after the second: many mean that events do not arrive
	LastTaken time.Time
}

// An Alarm is something that is wrong and lasts.
type Alarm struct {
	Key          string
	What, Next   string
	Since        time.Time
	Acknowledged string // by whom; "": by nobody
}

// A Certificate is one that is used.
type Certificate struct {
	IK       string
	Own      bool
	NotAfter time.Time
}

// Classes adds up the states of both directions.
func (s *Snapshot) Classes() map[exchange.Class]int {
	sum := map[exchange.Class]int{}
	for _, states := range s.Sums {
		for state, n := range states {
			sum[state.Class()] += n
		}
	}
	return sum
}
