package dropserver

import (
	"net/netip"
	"sync"
	"time"
)

const (
	longestDelay = 10 * time.Second
	longestBan   = 24 * time.Hour

	// maxCulprits bounds the memory of the guard: whoever commands more addresses
	// than this is not stopped by counting them.
	maxCulprits = 50_000
)

// A guard counts what addresses do before they have logged in.
type guard struct {
	mu       sync.Mutex
	culprits map[netip.Prefix]*culprit
	waiting  map[netip.Prefix]int
}

// A culprit is an address that failed to log in.
type culprit struct {
	failures int // in a row, since the last ban
	bans     int
	last     time.Time // failure
	until    time.Time // banned until then
}

func newGuard() *guard {
	return &guard{culprits: map[netip.Prefix]*culprit{}, waiting: map[netip.Prefix]int{}}
}

// origin is the address as the guard counts it. One customer has a whole /64 of
// IPv6 addresses.
func origin(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits)
	return p
}

// arrive asks whether a connection of an address may go on, after which delay.
// If it may, leave must follow once it has logged in or ended.
func (g *guard) arrive(from netip.Prefix, f Failures, most int, now time.Time) (delay time.Duration, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := g.culprits[from]
	switch {
	case c != nil && now.Before(c.until):
		return 0, ErrBanned
	case g.waiting[from] >= most:
		return 0, ErrBusy
	}
	if c != nil && c.failures > 0 {
		delay = doubled(f.Delay, c.failures-1, longestDelay)
		delay = max(0, delay-now.Sub(c.last)) // who waited already need not wait again
	}
	g.waiting[from]++
	return delay, nil
}

func (g *guard) leave(from netip.Prefix) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.waiting[from]--; g.waiting[from] <= 0 {
		delete(g.waiting, from)
	}
}

// failed counts a failure. If it is one too many it returns until when the
// address is banned.
func (g *guard) failed(from netip.Prefix, f Failures, now time.Time) (until time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := g.culprits[from]
	if c == nil {
		g.forget(now)
		c = &culprit{}
		g.culprits[from] = c
	}
	c.failures++
	c.last = now
	if c.failures < f.BanAfter || now.Before(c.until) {
		return time.Time{}
	}
	c.until = now.Add(doubled(f.Ban, c.bans, longestBan))
	c.bans++
	c.failures = 0
	return c.until
}

// succeeded forgets an address.
func (g *guard) succeeded(from netip.Prefix) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.culprits, from)
}

// pardon forgets all failures and bans.
func (g *guard) pardon() {
	g.mu.Lock()
	defer g.mu.Unlock()
	clear(g.culprits)
}

// forget makes room: first for those that were quiet for a day, then for anybody.
func (g *guard) forget(now time.Time) {
	if len(g.culprits) < maxCulprits {
		return
	}
	for from, c := range g.culprits {
		if now.Sub(c.last) > longestBan && now.After(c.until) {
			delete(g.culprits, from)
		}
	}
	for from := range g.culprits {
		if len(g.culprits) < maxCulprits*9/10 { // not all of this again for the next one
			return
		}
		delete(g.culprits, from)
	}
}

// doubled is d doubled so often, and at most most.
func doubled(d time.Duration, times int, most time.Duration) time.Duration {
	for range times {
		if d >= most/2 {
			return most
		}
		d *= 2
	}
	return min(d, most)
}
