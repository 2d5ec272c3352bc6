package annex

import (
	"bytes"
	"context"
	"io"
	"runtime"
	"slices"
	"sync"

	"gateway301/edifact"
)

// A large file is checked by several cores: it is cut behind messages, and each
// piece is checked by a checker of its own, as if it stood alone. The checker of the
// file goes through what cannot be cut off, takes over what the others have found,
// piece by piece in order, and looks itself at a piece whose result depends on what
// stood before it.
//
//	file    UNB… | UNH … UNT UNH … UNT | UNH … UNT | UNH … UNT UNZ
//	         itself     another             another    itself
//
// So findings, their order and all counts are those of one core.

// A SharedCheck is a [MessageCheck] that keeps nothing between two segments, so that
// several messages can be checked at once. The running number of the message that it
// is told then counts within a part of the file.
type SharedCheck interface {
	MessageCheck
	Shared()
}

// sizes are the lengths in bytes that decide about pieces.
type sizes struct {
	alone int // that a file has at least before it is cut
	piece int
}

func usualSizes() sizes { return sizes{256 << 10, 256 << 10} }

// workers is how many pieces of a file are checked at once; 1: it is not cut.
func (o *CheckOptions) workers() int {
	for _, c := range o.Checks {
		if _, shared := c.(SharedCheck); !shared {
			return 1
		}
	}
	if o.Workers > 0 {
		return o.Workers
	}
	return runtime.GOMAXPROCS(0)
}

// A piece is a part of a file.
type piece struct {
	bytes []byte
	whole bool          // it begins with UNH and ends behind UNT, as far as can be seen
	done  chan struct{} // closed when part is there
	part  *part         // nil: not checked
}

// A part is what was found in a piece that was checked alone.
type part struct {
	*checker
	odd   bool  // it cannot be taken over
	first int64 // reference of the first message
	ahead int64 // bytes and segments that stood before the piece
}

// A feed is the source of the checker of a file that is cut.
type feed struct {
	ctx     context.Context
	c       *checker
	r       io.Reader
	sizes   sizes
	workers int

	n      int // bytes handed out before the file is cut
	taken  int // pieces that were taken over
	pieces chan *piece
	free   chan []byte
	rest   []byte // of the present piece
	last   []byte // its bytes
	err    error  // how the source ended; valid when pieces is closed
	quit   chan struct{}
	wait   sync.WaitGroup
}

func newFeed(ctx context.Context, c *checker, r io.Reader, workers int, s sizes) *feed {
	return &feed{ctx: ctx, c: c, r: r, sizes: s, workers: workers, quit: make(chan struct{})}
}

// Read gives the checker what it has to look at itself.
func (f *feed) Read(p []byte) (int, error) {
	if f.pieces == nil {
		if f.n < f.sizes.alone {
			n, err := f.r.Read(p[:min(len(p), f.sizes.alone-f.n)])
			f.n += max(n, 0)
			return n, err
		}
		f.start()
	}
	for len(f.rest) == 0 {
		if f.last != nil {
			select {
			case f.free <- f.last:
			default:
			}
			f.last = nil
		}
		next, more := <-f.pieces
		if !more {
			return 0, f.err
		}
		f.last = next.bytes
		if next.whole {
			<-next.done
			if f.c.takeOver(next.part, len(next.bytes)) {
				f.taken++
				continue
			}
		}
		f.rest = next.bytes
	}
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

// stop ends all that start has begun, and waits for it.
func (f *feed) stop() {
	close(f.quit)
	f.wait.Wait()
}

func (f *feed) start() {
	room := f.workers + 2
	f.pieces = make(chan *piece, room)
	f.free = make(chan []byte, room+f.workers+4)
	jobs := make(chan *piece, room)
	marks := f.c.w.Reader().Separators()
	f.wait.Add(1 + f.workers)
	go func() {
		defer f.wait.Done()
		f.cut(jobs, marks)
	}()
	for range f.workers {
		go func() {
			defer f.wait.Done()
			plans := make(map[string]known)
			for p := range jobs {
				select {
				case <-f.quit:
				default:
					p.part = f.c.alone(f.ctx, p.bytes, marks, plans)
				}
				close(p.done)
			}
		}()
	}
}

// cut reads the source and cuts it behind messages.
func (f *feed) cut(jobs chan<- *piece, marks edifact.Separators) {
	defer close(f.pieces)
	defer close(jobs)
	send := func(b []byte, whole bool) bool {
		p := &piece{bytes: b, whole: whole, done: make(chan struct{})}
		if whole {
			jobs <- p // has as much room as pieces
		}
		select {
		case f.pieces <- p:
			return true
		case <-f.quit:
			return false
		}
	}
	var carry []byte // begins with UNH if whole
	whole := false
	for {
		buf := append(f.room(len(carry)), carry...)
		buf, err := readUpTo(f.r, buf, max(f.sizes.piece, 2*len(carry)))
		at := boundary(buf, marks)
		if at > 0 {
			carry = buf[at:]
			if !send(buf[:at:at], whole) {
				return
			}
			whole = true
		} else {
			carry = nil
			if !send(buf, false) {
				return
			}
			whole = false
		}
		if err != nil {
			f.err = err
			if len(carry) > 0 {
				send(bytes.Clone(carry), false)
			}
			return
		}
		carry = bytes.Clone(carry)
	}
}

// room is an empty buffer for a piece, one that was used before if there is one.
func (f *feed) room(carry int) []byte {
	select {
	case b := <-f.free:
		return b[:0]
	default:
		return make([]byte, 0, f.sizes.piece+carry)
	}
}

// readUpTo appends to b until it is n bytes long, or the source ends.
func readUpTo(r io.Reader, b []byte, n int) ([]byte, error) {
	if cap(b) < n {
		b = append(make([]byte, 0, n), b...)
	}
	for idle := 0; len(b) < n; {
		got, err := r.Read(b[len(b):n])
		if got < 0 || got > n-len(b) {
			return b, io.ErrNoProgress
		}
		b = b[:len(b)+got]
		if err != nil {
			return b, err
		}
		if idle++; got > 0 {
			idle = 0
		} else if idle == 100 {
			return b, io.ErrNoProgress
		}
	}
	return b, nil
}

// boundary is the place of the last UNH in b that stands directly behind a UNT, 0 if
// there is none for certain.
func boundary(b []byte, marks edifact.Separators) int {
	unh := []byte{'U', 'N', 'H', marks.Element}
	for end := len(b); ; {
		at := bytes.LastIndex(b[:end], unh)
		if at < 0 {
			return 0
		}
		end = at
		before := bytes.TrimRight(b[:at], "\r\n")
		if !terminated(before, marks) {
			continue
		}
		// The segment before it, UNT+99+00001, is short.
		segment := before[max(0, len(before)-40) : len(before)-1]
		if i := bytes.LastIndexByte(segment, marks.Terminator); i >= 0 && bytes.HasPrefix(bytes.TrimLeft(segment[i+1:], "\r\n"), []byte("UNT")) {
			return at
		}
	}
}

// terminated reports whether b ends with a terminator that is none of a value.
func terminated(b []byte, marks edifact.Separators) bool {
	if len(b) == 0 || b[len(b)-1] != marks.Terminator {
		return false
	}
	n := 1
	for n < len(b) && b[len(b)-1-n] == marks.Release && marks.Release != ' ' {
		n++
	}
	return n < len(b) && n%2 == 1
}

// alone checks messages that stand behind others.
func (c *checker) alone(ctx context.Context, b []byte, marks edifact.Separators, plans map[string]known) *part {
	head := []byte{'U', 'N', 'A', marks.Component, marks.Element, marks.Decimal, marks.Release, marks.Reserved, marks.Terminator, 'U', 'N', 'B', marks.Terminator}
	p := &part{checker: newChecker(io.MultiReader(bytes.NewReader(head), bytes.NewReader(b)), c.o), ahead: int64(len(head))}
	p.resumed = true // the number of the first message is for takeOver to judge
	k := p.k
	k.seed, k.plans, k.measure = c.k.seed, plans, c.k.measure
	p.walk(ctx)
	return p
}

// walk is run for a part.
func (p *part) walk(ctx context.Context) {
	for n := 0; ; n++ {
		p.bodies()
		if p.odd = p.odd || ctx.Err() != nil; p.odd {
			return
		}
		step, err := p.w.Next()
		if err != nil {
			p.odd = p.odd || p.before != edifact.KindUNT || len(p.faults) != 1 || p.faults[0].Fault != edifact.FaultUNZMissing
			return
		}
		for _, f := range p.faults {
			switch f.Fault {
			case edifact.FaultUNTCount, edifact.FaultUNTReference, edifact.FaultUNHReferenceGap, edifact.FaultDuplicateReference:
			default:
				p.odd = true
			}
		}
		switch step.Kind {
		case edifact.KindUNB:
			p.odd = p.odd || n > 0
			p.faults = p.faults[:0]
			continue
		case edifact.KindUNH:
			if p.rep.Messages == 0 {
				v, ok := step.Segment.Value(1, 1), false
				if p.first, ok = shortCount(pack(v), len(v)); !ok || len(v) != 5 {
					p.odd = true
				}
			}
		case edifact.KindUNT:
		case edifact.KindBody: // of a long message
			p.odd = p.odd || !p.inBody || step.Message == 0
		default:
			p.odd = true
		}
		if p.odd {
			return
		}
		p.look(step)
	}
}

// takeOver enters what was found in a part as if it had been found here, and reports
// whether it could: not where anything that stood before makes a difference.
func (c *checker) takeOver(p *part, size int) bool {
	r, k := &c.rep, c.k
	switch {
	case p == nil || p.odd || p.k.twice || p.k.duplicate:
		return false
	case !c.unb || c.before != edifact.KindUNT || c.inBody || c.resumed || p.first != c.expected:
		return false
	case c.w.Reader().Separators() != p.w.Reader().Separators():
		return false
	case r.Truncated || p.rep.Truncated:
		return false
	case k.seen.n+p.k.seen.n > maxFalls || p.k.seen.meets(&k.seen):
		return false
	case slices.ContainsFunc(lists(r, &p.rep), func(l [2]*[]string) bool { return len(*l[0])+len(*l[1]) > maxDistinct }):
		return false
	case !c.w.Skip(int64(size), p.rep.Segments, p.rep.Messages):
		return false
	}
	for _, h := range p.k.seen.slots {
		if h != 0 {
			k.seen.add(h)
		}
	}
	offset := c.in.n - p.ahead
	c.in.n += int64(size)
	for _, f := range p.rep.Findings[:min(len(p.rep.Findings), c.o.Keep-len(r.Findings))] {
		f.Message += r.Messages
		f.SegmentNumber += r.Segments - 1
		f.Offset += offset
		r.Findings = append(r.Findings, f)
	}
	c.refused += p.refused
	c.fileError = c.fileError || p.fileError
	if c.names() {
		for _, m := range p.rep.Refused {
			m.Message += r.Messages
			c.list(m)
		}
	}
	for _, l := range lists(r, &p.rep) {
		for _, v := range *l[1] {
			c.distinct(l[0], v)
		}
	}
	for i, s := range p.rep.Stages {
		r.Stages[i].Passed += s.Passed
		r.Stages[i].Failed += s.Failed
		r.Stages[i].NotChecked += s.NotChecked
	}
	r.Messages += p.rep.Messages
	r.Segments += p.rep.Segments
	r.FHL += p.rep.FHL
	r.Errors += p.rep.Errors
	r.Warnings += p.rep.Warnings
	c.uncut = c.uncut || p.uncut
	c.expected = p.expected
	return true
}

// lists are the lists of different values in two reports.
func lists(a, b *Report) [][2]*[]string {
	return [][2]*[]string{{&a.Types, &b.Types}, {&a.Versions, &b.Versions}, {&a.FKTSenders, &b.FKTSenders}, {&a.FKTRecipients, &b.FKTRecipients}}
}
