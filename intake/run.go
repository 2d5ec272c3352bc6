package intake

import (
	"context"
	"errors"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Run looks at the outbox until ctx ends, and returns its error. It looks every
// now and then and, a moment later, whenever something happens in the folder. It
// calls taken after each take-over. Faults are logged, once each, and looked
// past: when the disk has room again or the folder is back, it goes on by itself.
func (i *Intake) Run(ctx context.Context, taken func()) error {
	if taken != nil {
		i.wake = taken
	}
	events, stop := i.watch()
	defer stop()
	told, event := "", false
	for ctx.Err() == nil {
		events.follow(i.box.Path)
		taken, _, err := i.Scan(ctx)
		i.counts.count(event, taken)
		if ctx.Err() != nil {
			break
		}
		told = i.tell(told, err)
		event = i.sleep(ctx, events)
	}
	return ctx.Err()
}

// tell logs a failed look if it is another fault than the one told last, and
// the first look that is well again.
func (i *Intake) tell(told string, err error) string {
	if err == nil {
		if told != "" {
			i.log.Info().Msg("the outbox is taken from again")
		}
		return ""
	}
	fault := err.Error()
	if errors.Is(err, ErrDiskFloor) {
		fault = ErrDiskFloor.Error() // its figures change all the time
	}
	if fault != told {
		i.log.Error().Str("reason", plainly(err)).Msg("a look at the outbox failed")
	}
	return fault
}

// sleep waits for the next look. Events come in bursts, so it also waits for
// what follows the first. It reports whether an event ended the wait.
func (i *Intake) sleep(ctx context.Context, e *events) (event bool) {
	least := time.NewTimer(min(i.box.Every/10, 200*time.Millisecond))
	defer least.Stop()
	most := time.NewTimer(i.box.Every)
	defer most.Stop()
	select {
	case <-ctx.Done():
	case <-most.C:
	case <-e.wake:
		select {
		case <-ctx.Done():
		case <-least.C:
		}
		return true
	}
	return false
}

// events wakes on what happens in a folder. It is a hint only.
type events struct {
	watcher *fsnotify.Watcher
	wake    chan struct{}
}

// watch begins to listen, if the machine lets us; without it the looks at fixed
// intervals do all the work.
func (i *Intake) watch() (e *events, stop func()) {
	e = &events{wake: make(chan struct{}, 1)}
	if i.quiet {
		return e, func() {}
	}
	w, err := fsnotify.NewWatcher()
	if err != nil {
		i.log.Warn().Err(err).Stringer("every", i.box.Every).Msg("no file events, looking at intervals only")
		return e, func() {}
	}
	e.watcher = w
	done := make(chan struct{})
	go func() {
		defer close(done)
		e.listen()
	}()
	return e, func() { w.Close(); <-done }
}

// follow listens to the folder, again if it was made anew in the meantime.
func (e *events) follow(path string) {
	if e.watcher != nil {
		_ = e.watcher.Add(path) // a folder that cannot be watched is still listed
	}
}

// listen turns every event, and a queue that ran over, into one wake.
func (e *events) listen() {
	for {
		select {
		case _, ok := <-e.watcher.Events:
			if !ok {
				return
			}
		case _, ok := <-e.watcher.Errors:
			if !ok {
				return
			}
		}
		select {
		case e.wake <- struct{}{}:
		default:
		}
	}
}
