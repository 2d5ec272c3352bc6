package alert

import (
	"context"

	"gateway301/exchange"
)

// weight grows when a condition gets worse: with the count, or as the days left
// pass 14, 7, 1 and the end.
func weight(c exchange.Condition) int {
	if c.Kind != exchange.AlarmKeyExpiring && c.Kind != exchange.AlarmCalendarEnds {
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

// A Book keeps alarms through crashes.
type Book interface {
	// Alarms returns those that last, and those that are over and not told to all.
	Alarms(ctx context.Context) ([]exchange.Alarm, error)
	// KeepAlarms writes alarms by their keys, and removes those that are done. Who
	// has acknowledged one is left as it stands, unless it was raised anew.
	KeepAlarms(ctx context.Context, keep, done []exchange.Alarm) error
	AcknowledgeAlarm(ctx context.Context, a exchange.Alarm) error
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
