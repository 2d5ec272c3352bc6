package alert

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gateway301/exchange"
)

// A Bell tells people what is wrong. Its methods are for one goroutine.
type Bell struct {
	Book    Book
	Senders []Sender
	Resend  time.Duration // until acknowledged; 0: 4 hours
	Pause   time.Duration // at least so long between two messages about a growing count; 0: 10 minutes
	German  bool
	Host    string // stands in the subject
}

// Defaults.
const (
	defaultResend = 4 * time.Hour
	defaultPause  = 10 * time.Minute
)

// Look compares what is wrong now with what was told, tells what is news, and
// remembers it. A sender's failure keeps the news for the next look and is part
// of the error, as is the book's.
func (b *Bell) Look(ctx context.Context, now time.Time, wrong []exchange.Condition) error {
	known, err := b.Book.Alarms(ctx)
	if err != nil {
		return err
	}
	alarms := merge(known, wrong, now)
	// Written before anybody is told: what is raised stays raised.
	if err := b.Book.KeepAlarms(ctx, alarms, nil); err != nil {
		return err
	}
	var failed []error
	for _, s := range b.Senders {
		news := b.news(alarms, s.Name(), now)
		if len(news) == 0 {
			continue
		}
		var tell []exchange.Alarm
		for _, i := range news {
			tell = append(tell, alarms[i])
		}
		if err := s.Send(ctx, b.compose(tell, s.Name(), now)); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", s.Name(), err))
			continue
		}
		for _, i := range news {
			alarms[i].Told[s.Name()] = exchange.Told{At: now, Weight: weight(alarms[i].Condition), Over: !alarms[i].Cleared.IsZero()}
		}
	}
	var keep, done []exchange.Alarm
	for _, a := range alarms {
		if b.over(a) {
			done = append(done, a)
		} else {
			keep = append(keep, a)
		}
	}
	return errors.Join(append(failed, b.Book.KeepAlarms(ctx, keep, done))...)
}

// merge brings the alarms up to what is wrong now, in the order of a message.
func merge(known []exchange.Alarm, wrong []exchange.Condition, now time.Time) []exchange.Alarm {
	at := map[string]int{}
	alarms := slices.Clone(known)
	for i := range alarms {
		told := map[string]exchange.Told{}
		for name, t := range alarms[i].Told {
			told[name] = t
		}
		alarms[i].Told = told
		at[alarms[i].Key()] = i
	}
	lasting := map[string]bool{}
	for _, c := range wrong {
		lasting[c.Key()] = true
		i, found := at[c.Key()]
		if !found || !alarms[i].Cleared.IsZero() {
			fresh := exchange.Alarm{Condition: c, Raised: now, Told: map[string]exchange.Told{}}
			if found { // came back before everybody heard that it was gone
				alarms[i] = fresh
				continue
			}
			at[c.Key()] = len(alarms)
			alarms = append(alarms, fresh)
			continue
		}
		alarms[i].Condition = c
	}
	for i := range alarms {
		if a := &alarms[i]; !lasting[a.Key()] && a.Cleared.IsZero() {
			a.Cleared = now
		}
	}
	slices.SortFunc(alarms, func(a, b exchange.Alarm) int {
		return cmp.Or(cmp.Compare(Rank(a.Condition), Rank(b.Condition)), cmp.Compare(a.Subject, b.Subject))
	})
	return alarms
}

// Rank orders conditions, the most pressing first.
func Rank(c exchange.Condition) int { return slices.Index(exchange.AlarmKinds(), c.Kind) }

// news picks what a sender has to tell, as indices.
func (b *Bell) news(alarms []exchange.Alarm, sender string, now time.Time) (news []int) {
	for i, a := range alarms {
		if b.isNews(a, sender, now) {
			news = append(news, i)
		}
	}
	return news
}

func (b *Bell) isNews(a exchange.Alarm, sender string, now time.Time) bool {
	told, ever := a.Told[sender]
	switch {
	case !a.Cleared.IsZero():
		return ever && !told.Over // what nobody heard of needs no all-clear
	case !ever:
		return a.Acknowledged.IsZero() || weight(a.Condition) > a.SeenWeight
	case weight(a.Condition) > told.Weight:
		return now.Sub(told.At) >= cmp.Or(b.Pause, defaultPause)
	case !a.Acknowledged.IsZero():
		return false
	}
	return now.Sub(told.At) >= cmp.Or(b.Resend, defaultResend)
}

// over reports whether nobody has to hear of an alarm any more.
func (b *Bell) over(a exchange.Alarm) bool {
	if a.Cleared.IsZero() {
		return false
	}
	for _, s := range b.Senders {
		if told, ever := a.Told[s.Name()]; ever && !told.Over {
			return false
		}
	}
	return true
}

// Acknowledge marks the alarms with these keys as seen by somebody; no key means
// all. It returns the keys of those it marked.
func Acknowledge(ctx context.Context, book Book, by string, now time.Time, keys ...string) (marked []string, err error) {
	alarms, err := book.Alarms(ctx)
	if err != nil {
		return nil, err
	}
	for _, a := range alarms {
		if !a.Cleared.IsZero() || len(keys) > 0 && !slices.Contains(keys, a.Key()) {
			continue
		}
		a.Acknowledged, a.AcknowledgedBy, a.SeenWeight = now, by, weight(a.Condition)
		if err := book.AcknowledgeAlarm(ctx, a); err != nil {
			return marked, err
		}
		marked = append(marked, a.Key())
	}
	return marked, nil
}
