package dropserver

import (
	"errors"
	"io"
	"path"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// A presence is what all connections of one account share. It outlives a reload
// and ends when the account has no connection any more.
type presence struct {
	up, down *rate.Limiter

	mu          sync.Mutex
	connections int
	uploads     map[string]*upload // by name: the latest one that is open
	open        map[*upload]struct{}

	used    int64 // bytes of the quota; never less than what is there, often more
	counted time.Time
}

func newPresence() *presence {
	return &presence{
		up: rate.NewLimiter(rate.Inf, 0), down: rate.NewLimiter(rate.Inf, 0),
		uploads: map[string]*upload{}, open: map[*upload]struct{}{},
	}
}

// setRate limits both directions to so many bytes a second. The burst is what
// passes in a tenth of a second, and at least one packet.
func (p *presence) setRate(bytesPerSecond int64) {
	limit, burst := rate.Inf, 0
	if bytesPerSecond > 0 {
		limit, burst = rate.Limit(bytesPerSecond), int(min(max(bytesPerSecond/10, 64<<10), 1<<30))
	}
	for _, l := range []*rate.Limiter{p.up, p.down} {
		l.SetBurst(burst)
		l.SetLimit(limit)
	}
}

// pass waits until n bytes may pass, or the connection is gone.
func pass(gone <-chan struct{}, l *rate.Limiter, n int) {
	for n > 0 && l.Limit() != rate.Inf {
		some := min(n, max(l.Burst(), 1))
		turn := l.ReserveN(time.Now(), some)
		if !turn.OK() {
			continue // a reload changed the burst meanwhile
		}
		n -= some
		if wait := turn.Delay(); wait > 0 {
			timer := time.NewTimer(wait)
			select {
			case <-gone:
				timer.Stop()
				return
			case <-timer.C:
			}
		}
	}
}

func (p *presence) find(name string) *upload {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.uploads[name]
}

// show lets clients see an upload.
func (p *presence) show(u *upload) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.uploads[u.name] = u
}

// end takes an upload off the list; what came to nothing counts no longer.
func (p *presence) end(u *upload, complete bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, u)
	if !complete {
		p.used -= u.charged
	}
	if p.uploads[u.name] == u {
		delete(p.uploads, u.name)
	}
}

// drop makes the open uploads of a name come to nothing, and reports whether
// there is any.
func (p *presence) drop(name string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	found := false
	for u := range p.open {
		if u.name == name {
			u.dropped.Store(true)
			found = true
		}
	}
	delete(p.uploads, name)
	return found
}

// names of the open uploads.
func (p *presence) names() map[string]*upload {
	p.mu.Lock()
	defer p.mu.Unlock()
	names := make(map[string]*upload, len(p.uploads))
	for name, u := range p.uploads {
		names[name] = u
	}
	return names
}

// block is what a file occupies at least, whatever its size.
const block = 4 << 10

// cost is what a file of so many bytes counts in a quota.
func cost(size int64) int64 { return max(1, (size+block-1)/block) * block }

// recount is how long a count holds against an account that is over its quota.
const recount = time.Second

var errQuota = errors.New("quota exceeded")

// reserve takes bytes of the quota. If there are too few it counts anew: when the
// pipeline has fetched files, only the folder tells.
func (p *presence) reserve(j *jail, u *upload, bytes int64) error {
	quota := j.account().Quota
	p.mu.Lock()
	defer p.mu.Unlock()
	if quota > 0 && (p.counted.IsZero() || p.used+bytes > quota && time.Since(p.counted) >= recount) {
		if err := p.count(j); err != nil {
			return err
		}
	}
	if quota > 0 && p.used+bytes > quota {
		return errQuota
	}
	p.used += bytes
	u.charged += bytes
	p.open[u] = struct{}{}
	return nil
}

// count adds up what is there. The uploads come first: one that is completed
// meanwhile counts twice rather than not at all.
func (p *presence) count(j *jail) error {
	used := int64(0)
	for u := range p.open {
		used += u.charged
	}
	in := j.account().In
	dir, err := j.root.Open(in)
	if err != nil {
		return err
	}
	defer dir.Close()
	for {
		names, err := dir.Readdirnames(1000)
		for _, name := range names {
			if info, err := j.root.Lstat(path.Join(in, name)); err == nil && info.Mode().IsRegular() {
				used += cost(info.Size())
			}
		}
		switch {
		case err == io.EOF:
			p.used, p.counted = used, time.Now()
			return nil
		case err != nil:
			return err
		}
	}
}

// left is what an account may still upload, for a client that asks.
func (p *presence) left(j *jail) (total, free int64, limited bool) {
	quota := j.account().Quota
	if quota == 0 {
		return 0, 0, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.counted) >= recount {
		p.count(j)
	}
	return quota, max(0, quota-p.used), true
}
