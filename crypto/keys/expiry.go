package keys

import (
	"crypto/x509"
	"slices"
	"time"
)

// A Stage is how near the end of a certificate is: the number of days before it
// at which somebody is told. Fresh is none yet, Expired is too late.
type Stage int

// The stages (see Stages) and their two ends.
const (
	Fresh   Stage = 1<<31 - 1
	Expired Stage = 0
)

// Stages are the days before the end at which somebody is told, in this order.
func Stages() []Stage { return []Stage{90, 30, 14, 7, 1} }

const day = 24 * time.Hour

// StageAt tells which stage a certificate that ends at notAfter has reached. It
// is Fresh until 90 days before, then 90 until 30 days before, and so on; from
// the second after notAfter it is Expired. Whoever remembers the last stage it
// told of tells once for each smaller one, also when the service was down at the
// very day.
func StageAt(notAfter, now time.Time) Stage {
	left := notAfter.Sub(now.Truncate(time.Second))
	if left < 0 {
		return Expired
	}
	reached := Fresh
	for _, s := range Stages() {
		if left <= time.Duration(s)*day {
			reached = s
		}
	}
	return reached
}

// An Item is something that ends, as given to Expiring.
type Item struct {
	Name        string // what it is, in the operator's words
	Certificate *x509.Certificate
	// Successor is set when a certificate for the same purpose ends later and is
	// there already: then nobody need be told.
	Successor bool
}

// A Deadline is an Item that has reached a stage.
type Deadline struct {
	Item
	Stage Stage
	Days  int // whole days left; negative when it is over
}

// Expiring returns the items that have reached a stage and have no successor,
// the one that ends first in front. It is a pure function of now.
func Expiring(items []Item, now time.Time) []Deadline {
	var due []Deadline
	for _, i := range items {
		if s := StageAt(i.Certificate.NotAfter, now); s != Fresh && !i.Successor {
			due = append(due, Deadline{Item: i, Stage: s, Days: DaysLeft(i.Certificate.NotAfter, now)})
		}
	}
	slices.SortStableFunc(due, func(a, b Deadline) int { return a.Certificate.NotAfter.Compare(b.Certificate.NotAfter) })
	return due
}

// DaysLeft is the number of whole days until notAfter, negative when it is over.
func DaysLeft(notAfter, now time.Time) int {
	left := notAfter.Sub(now)
	if left < 0 {
		return int((left - day + 1) / day)
	}
	return int(left / day)
}
