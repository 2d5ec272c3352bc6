package schedule

import "time"

// What the zero value of [Backoff] means.
const (
	DefaultFirst    = 30 * time.Second
	DefaultMax      = 30 * time.Minute
	DefaultAttempts = 20
)

// A Backoff says how long to wait between attempts and when to stop. A field
// that is zero or negative means its default: 30 s, 30 min, 20 attempts.
type Backoff struct {
	First    time.Duration // the wait after the first attempt
	Max      time.Duration // no wait is longer
	Attempts int           // so many attempts are made
}

// Next gives the wait after the given attempt, counted from 1: First, doubled
// with every further attempt up to Max, and shortened by up to a quarter so that
// partners that failed together are not tried together again. Random, from 0 up
// to 1, chooses how much: 0 shortens by the full quarter, 1 not at all.
func (b Backoff) Next(attempt int, random float64) time.Duration {
	wait, most := b.First, b.Max
	if wait <= 0 {
		wait = DefaultFirst
	}
	if most <= 0 {
		most = DefaultMax
	}
	for i := 1; i < attempt && wait < most; i++ {
		if wait > most/2 {
			wait = most
		} else {
			wait *= 2
		}
	}
	wait = min(wait, most)
	if !(random >= 0) { // NaN too
		random = 0
	}
	return wait - time.Duration(float64(wait/4)*(1-min(random, 1)))
}

// Exhausted reports whether no attempt may follow the given one, counted from 1.
func (b Backoff) Exhausted(attempt int) bool {
	if b.Attempts <= 0 {
		return attempt >= DefaultAttempts
	}
	return attempt >= b.Attempts
}
