package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"gateway301/config"
	"gateway301/exchange"
	"gateway301/schedule"
	"gateway301/store"
	"gateway301/watch"
)

// sight is what a look at the gateway's state needs.
type sight struct {
	file   *config.File
	ledger *store.Ledger
	ring   *ring // nil: certificates are not looked at

	started time.Time // of the service; zero: this is none
}

// facts gathers what is known of the night to a day.
func (s *sight) facts(ctx context.Context, now time.Time, day schedule.Day) (f watch.Facts, err error) {
	zone := s.file.TimeZone
	f = watch.Facts{Now: now.In(zone), Started: s.started, Zone: zone, Floor: s.file.DiskFloor}
	from, to := watch.Span(day, zone)
	if f.Tallies, err = s.ledger.Tallies(ctx, from, to, now.AddDate(0, 0, -7)); err != nil {
		return f, err
	}
	if f.Imbalance, err = s.ledger.Imbalance(ctx); err != nil {
		return f, err
	}
	if f.Free, err = freeSpace(s.file.Spool); err != nil {
		return f, err
	}
	stops, err := s.ledger.Stopped(ctx)
	if err != nil {
		return f, err
	}
	looks, err := s.ledger.LastCollected(ctx)
	if err != nil {
		return f, err
	}
	for i := range s.file.Partners {
		p := &s.file.Partners[i]
		row := watch.Partner{
			Name: p.Name, Window: p.Window, Collects: p.Collected(), Collect: p.Collect,
			SilentAfter: p.SilentAfter, ExpectWithin: p.ExpectWithin,
			Stopped: stops[p.Name].Cause, StoppedAt: stops[p.Name].At, LastCollected: looks[p.Name],
		}
		if row.LastSent, err = s.ledger.LastSent(ctx, p.Name); err != nil {
			return f, err
		}
		if row.LastArrived, err = s.ledger.LastTaken(ctx, p.Name); err != nil {
			return f, err
		}
		f.Partners = append(f.Partners, row)
	}
	for _, o := range s.file.Outboxes {
		row := watch.Outbox{Name: o.Name, ExpectWithin: o.ExpectWithin}
		if row.LastTaken, err = s.ledger.LastTaken(ctx, o.Name); err != nil {
			return f, err
		}
		f.Outboxes = append(f.Outboxes, row)
	}
	if s.ring != nil {
		for _, u := range s.ring.uses(s.file, now) {
			if !u.notAfter.IsZero() && !u.successor && u.ik != "" {
				f.Certificates = append(f.Certificates, watch.Certificate{IK: u.ik, Own: u.use == useOwn, NotAfter: u.notAfter})
			}
		}
	}
	return f, nil
}

// limits are those of the configuration.
func limits(file *config.File) watch.Limits {
	return watch.Limits{Unknown: file.Alerts.Unknown, Key: file.Alerts.KeyDays}
}

// freeSpace is what is left, in bytes, where a folder is or will be.
func freeSpace(folder string) (int64, error) {
	var s syscall.Statfs_t
	err := syscall.Statfs(folder, &s)
	if errors.Is(err, os.ErrNotExist) { // the service will make it
		return 1 << 62, nil
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w", folder, err)
	}
	return int64(s.Bavail) * s.Bsize, nil
}

// A plan says when what waits for a partner is sent.
type plan struct {
	waiting   int
	oldest    time.Time
	opens     time.Time // zero: open now
	finish    time.Time // estimated; zero: nothing waits, or there is no experience
	lastStart time.Time // begun later, it would not be finished before the window closes; zero: it never closes
}

// planOf estimates from the pace of the latest deliveries.
func (s *sight) planOf(ctx context.Context, f watch.Facts, p watch.Partner) (plan, error) {
	var out plan
	for _, t := range f.Tallies {
		if t.Partner == p.Name && t.Direction == exchange.Out && t.State.Class() == exchange.InWork && t.State != exchange.Overdue {
			out.waiting += t.N
			if out.oldest.IsZero() || t.Oldest.Before(out.oldest) {
				out.oldest = t.Oldest
			}
		}
	}
	begin := p.Window.NextOpen(f.Now, f.Zone)
	if begin.After(f.Now) {
		out.opens = begin
	}
	pace, err := s.ledger.Pace(ctx, p.Name)
	if err != nil || out.waiting == 0 || pace == 0 {
		return out, err
	}
	needs := time.Duration(out.waiting) * pace
	out.finish = begin.Add(needs)
	if closes := p.Window.Closes(begin, f.Zone); !closes.IsZero() {
		out.lastStart = closes.Add(-needs)
	}
	return out, nil
}
