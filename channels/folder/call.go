package folder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"gateway301/channels"
)

// A call is one use of the folder. The system call behind it may hang for as long
// as a share's server is away, and nothing can end it; so it runs beside its
// caller, who leaves it behind.
type call struct {
	progress chan struct{}

	mu         sync.Mutex
	abandoned  bool
	publishing bool // the final name may appear from here on
}

// patience is how long a call whose context ended may take to clear away what it
// began.
const patience = 2 * time.Second

var errHangs = errors.New("the medium does not answer: an earlier call still hangs")

// do runs a call until it is done, its context has ended, or it makes no progress.
// As long as one hangs no other begins: each would hold a thread of the system.
func do[T any](ctx context.Context, c *Channel, work func(*call) (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	var none T
	if err := ctx.Err(); err != nil {
		return none, err
	}
	if c.hanging.Load() > 0 {
		return none, fmt.Errorf("%w: %w", channels.ErrLine, errHangs)
	}
	k := &call{progress: make(chan struct{}, 1)}
	done := make(chan result, 1)
	go func() {
		value, err := work(k)
		done <- result{value, err}
	}()
	leave := func(why error) (T, error) {
		c.hanging.Add(1)
		go func() {
			<-done
			c.hanging.Add(-1)
		}()
		if k.abandon() {
			why = fmt.Errorf("%w: %w", channels.ErrUnknown, why)
		}
		return none, why
	}
	stall := time.NewTimer(c.settings.Stall)
	defer stall.Stop()
	ended := ctx.Done()
	for {
		select {
		case r := <-done:
			return r.value, r.err
		case <-k.progress:
			stall.Reset(c.settings.Stall)
		case <-ended:
			ended = nil
			stall.Reset(min(patience, c.settings.Stall))
		case <-stall.C:
			if err := ctx.Err(); err != nil {
				return leave(err)
			}
			return leave(fmt.Errorf("%w: no progress for %v", channels.ErrLine, c.settings.Stall))
		}
	}
}

// moved tells that the call makes progress.
func (k *call) moved() {
	select {
	case k.progress <- struct{}{}:
	default:
	}
}

// abandon makes the call come to nothing if it ever wakes up, and reports whether
// it is too late for that.
func (k *call) abandon() (published bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.abandoned = true
	return k.publishing
}

var errAbandoned = errors.New("the caller has left")

// left reports whether the caller has left.
func (k *call) left() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.abandoned {
		return errAbandoned
	}
	return nil
}

// publish asks whether the final name may appear.
func (k *call) publish() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.abandoned {
		return errAbandoned
	}
	k.publishing = true
	return nil
}

// A sink hands on what was read, as long as the caller is there, and remembers
// when it was the caller's side that failed.
type sink struct {
	k   *call
	w   io.Writer
	err error
}

func (s *sink) Write(p []byte) (int, error) {
	s.k.mu.Lock()
	defer s.k.mu.Unlock()
	if s.k.abandoned {
		return 0, errAbandoned
	}
	n, err := s.w.Write(p)
	if err != nil {
		s.err = fmt.Errorf("%w: %w", channels.ErrLocal, err)
	}
	s.k.moved()
	return n, err
}
