package sftp

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"gateway301/channels"
)

// A pool holds the lines of a channel and makes them anew when they are dead.
type pool struct {
	settings *Settings
	throttle *throttle
	turn     chan struct{} // holds one token: whoever has it may dial

	mu       sync.Mutex
	lines    []*line
	alone    time.Time // no further line before: the server turned one down
	barred   error     // set by a failed login
	failure  error     // of the last dial, for those who waited for it
	failedAt time.Time
	closed   bool
}

func newPool(s *Settings) *pool {
	p := &pool{settings: s, throttle: newThrottle(s.Bandwidth), turn: make(chan struct{}, 1)}
	p.turn <- struct{}{}
	return p
}

// capped is how long a server that turned down a further line is left alone.
const capped = 5 * time.Minute

// get returns a living line, which counts one more user. Whoever waited while
// another call dialled in vain shares its error: a partner that is down costs one
// dial, not one for each call.
func (p *pool) get(ctx context.Context) (*line, error) {
	asked := time.Now()
	l, enough, err := p.choose(asked)
	if err != nil || l != nil && enough {
		return l, err
	}
	if l != nil {
		select {
		case <-p.turn:
		default: // somebody dials already
			return l, nil
		}
		l.users.Add(-1)
	} else {
		select {
		case <-p.turn:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	defer func() { p.turn <- struct{}{} }()
	// Things may have changed while we waited.
	if l, enough, err = p.choose(asked); err != nil || l != nil && enough {
		return l, err
	}
	made, err := dial(ctx, p.settings, p.throttle)
	return p.add(ctx, l, made, err)
}

// choose returns the living line with the fewest users, one more now, or nil if
// there is none, or why there can be none. Enough says that no further line is
// wanted.
func (p *pool) choose(asked time.Time) (least *line, enough bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return nil, false, channels.ErrClosed
	case p.barred != nil:
		return nil, false, p.barred
	}
	p.lines = slices.DeleteFunc(p.lines, (*line).isDead)
	for _, l := range p.lines {
		if least == nil || l.users.Load() < least.users.Load() {
			least = l
		}
	}
	if least == nil {
		if p.failedAt.After(asked) {
			return nil, false, p.failure
		}
		return nil, false, nil
	}
	share := (p.settings.Parallel + p.settings.Connections - 1) / p.settings.Connections
	enough = int(least.users.Load()) < share || len(p.lines) >= p.settings.Connections || time.Now().Before(p.alone)
	least.users.Add(1)
	return least, enough, nil
}

// add takes up what a dial has brought. Spare is a line that serves if it has
// brought nothing, with a user counted for it.
func (p *pool) add(ctx context.Context, spare, made *line, err error) (*line, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if spare != nil && err == nil {
		spare.users.Add(-1)
	}
	switch {
	case errors.Is(err, channels.ErrLogin):
		p.barred = err
	case err != nil && spare != nil && ctx.Err() == nil && !errors.Is(err, channels.ErrHostKey):
		p.alone = time.Now().Add(capped)
		return spare, nil
	case err != nil && ctx.Err() == nil:
		p.failure, p.failedAt = err, time.Now()
	case err == nil && p.closed:
		made.cut(channels.ErrClosed)
		return nil, channels.ErrClosed
	}
	if err != nil {
		if spare != nil {
			spare.users.Add(-1)
		}
		return nil, err
	}
	p.lines = append(p.lines, made)
	made.users.Add(1)
	return made, nil
}

func (p *pool) unbar() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.barred = nil
}

func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, l := range p.lines {
		l.cut(channels.ErrClosed)
	}
}
