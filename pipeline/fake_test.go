package pipeline_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"gateway301/annex"
	"gateway301/channels"
	"gateway301/exchange"
	"gateway301/store"
)

// A fault is what a line does at one point of one call.
type fault struct {
	name   string
	err    error
	left   bool // the temporary file stays at the partner, as after a lost line
	cancel bool // the run's context ends
}

// faults lists the errors that the contract of channels names, and one that it
// does not.
func faults() []fault {
	return []fault{
		{name: "line", err: channels.ErrLine},
		{name: "line, temporary left", err: channels.ErrLine, left: true},
		{name: "unknown", err: channels.ErrUnknown},
		{name: "unknown, temporary left", err: channels.ErrUnknown, left: true},
		{name: "refused", err: channels.ErrRefused},
		{name: "login", err: channels.ErrLogin},
		{name: "host key", err: channels.ErrHostKey},
		{name: "full", err: channels.ErrFull},
		{name: "size", err: channels.ErrSize},
		{name: "local", err: channels.ErrLocal},
		{name: "closed", err: channels.ErrClosed},
		{name: "too many", err: channels.ErrTooMany},
		{name: "gone", err: os.ErrNotExist},
		{name: "not listed", err: errors.New("an error that no contract names")},
		{name: "cancelled", err: context.Canceled, cancel: true},
		{name: "cancelled within", err: context.Canceled},
	}
}

// A line is a real channel on which one fault can be ordered, and which keeps
// account of what was put.
//
// A call has points at which it can fail: before its effect and after it; Put
// has one between its caller's recorded intent and publication too. An error
// after the effect of Put is ErrUnknown or ErrSize, or the contract would be broken.
type line struct {
	channels.Channel
	outDir string // where Put puts

	mu     sync.Mutex
	points int // passed so far
	at     int // point of the fault, counted from 1; 0 = none
	fault  fault
	fired  string         // where the fault struck
	cancel func()         // ends the run
	puts   map[string]int // successful or unclear Puts by final name
	calls  []string       // "list outgoing", "put TKRH0001", …
	before func(ctx context.Context, op, name string) error
	after  func(op, name string) // of Put alone
	killed func() bool           // the process is dead: its temporary files stay
}

func (l *line) pass(where string, published bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.points++
	if l.points != l.at {
		return nil
	}
	if published && !errors.Is(l.fault.err, channels.ErrUnknown) && !errors.Is(l.fault.err, channels.ErrSize) {
		l.fired = "not allowed here"
		return nil
	}
	l.fired = where
	if l.fault.cancel && l.cancel != nil {
		l.cancel()
	}
	return l.fault.err
}

func (l *line) call(ctx context.Context, op, name string) error {
	l.mu.Lock()
	l.calls = append(l.calls, op+" "+name)
	hook := l.before
	l.mu.Unlock()
	if hook != nil {
		return hook(ctx, op, name)
	}
	return nil
}

func (l *line) List(ctx context.Context, side channels.Side) ([]channels.Entry, []channels.Refused, error) {
	if err := errors.Join(l.call(ctx, "list", side.String()), l.pass("before list "+side.String(), false)); err != nil {
		return nil, nil, err
	}
	return l.Channel.List(ctx, side)
}

func (l *line) Look(ctx context.Context, name string) (channels.Sight, error) {
	if err := errors.Join(l.call(ctx, "look", name), l.pass("before look "+name, false)); err != nil {
		return channels.Sight{}, err
	}
	return l.Channel.Look(ctx, name)
}

func (l *line) Get(ctx context.Context, side channels.Side, name string, w io.Writer) (int64, error) {
	if err := errors.Join(l.call(ctx, "get", name), l.pass("before get "+name, false)); err != nil {
		return 0, err
	}
	n, err := l.Channel.Get(ctx, side, name, w)
	if err == nil {
		err = l.pass("after get "+name, false)
	}
	return n, err
}

func (l *line) Remove(ctx context.Context, side channels.Side, name string) error {
	if err := errors.Join(l.call(ctx, "remove", name), l.pass("before remove "+name, false)); err != nil {
		return err
	}
	err := l.Channel.Remove(ctx, side, name)
	if err == nil {
		err = l.pass("after remove "+name, false)
	}
	return err
}

func (l *line) Put(ctx context.Context, name string, r io.ReaderAt, size int64, o channels.PutOptions) (channels.Proof, error) {
	if err := errors.Join(l.call(ctx, "put", name), l.pass("before put "+name, false)); err != nil {
		return channels.Proof{}, err
	}
	intended := o.BeforePublish
	o.BeforePublish = func() error {
		if intended != nil {
			if err := intended(); err != nil {
				return err
			}
		}
		return l.pass("between intent and publication of "+name, false)
	}
	proof, err := l.Channel.Put(ctx, name, r, size, o)
	if err == nil {
		l.mu.Lock()
		if l.puts == nil {
			l.puts = map[string]int{}
		}
		l.puts[name]++
		l.mu.Unlock()
		if l.after != nil {
			l.after("put", name)
		}
		if err = l.pass("after put "+name, true); err != nil {
			return channels.Proof{}, err
		}
		return proof, nil
	}
	if l.fault.left || l.killed != nil && l.killed() {
		content, readErr := io.ReadAll(io.NewSectionReader(r, 0, size))
		if readErr == nil {
			readErr = os.WriteFile(filepath.Join(l.outDir, name+".tmp"), content, 0o600)
		}
		err = errors.Join(err, readErr)
	}
	return proof, err
}

// did tells what was called, in order, of one kind of call.
func (l *line) did(op string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for _, c := range l.calls {
		if name, ok := strings.CutPrefix(c, op+" "); ok {
			out = append(out, name)
		}
	}
	return out
}

// passed counts the points that were passed.
func (l *line) passed() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.points
}

// errKilled is what everything answers once the process is dead.
var errKilled = errors.New("killed")

// A mortal ledger dies at its n-th write: the write still happens or does not,
// and after it nothing can be written any more.
type mortal struct {
	*store.Ledger

	mu     sync.Mutex
	writes int
	dieAt  int  // counted from 1; 0 = never
	lands  bool // the fatal write happens
	dead   bool
	struck string                                      // what the fatal write was
	kill   func()                                      // called at death
	about  func(by exchange.Happening, ids ...int64)   // called before each write
	fail   func(by exchange.Happening) (bool, error)   // answers for a write: whether it happens, and the error
	done   func(exchange.Happening, exchange.Delivery) // called after each move
}

func (m *mortal) write(by exchange.Happening, do func() error, ids ...int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return errKilled
	}
	if m.about != nil {
		m.about(by, ids...)
	}
	if m.fail != nil {
		if happens, err := m.fail(by); err != nil {
			if happens {
				err = errors.Join(err, do())
			}
			return err
		}
	}
	m.writes++
	if m.writes != m.dieAt {
		return do()
	}
	m.dead, m.struck = true, string(by)
	var err error
	if m.lands {
		err = do()
	}
	if m.kill != nil {
		m.kill()
	}
	return errors.Join(errKilled, err)
}

func (m *mortal) isDead() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dead
}

func (m *mortal) Apply(ctx context.Context, moves ...exchange.Move) (rows []exchange.Delivery, err error) {
	var ids []int64
	for _, mv := range moves {
		ids = append(ids, mv.ID)
	}
	err = m.write(moves[len(moves)-1].By, func() (err error) { rows, err = m.Ledger.Apply(ctx, moves...); return err }, ids...)
	if err == nil && m.done != nil {
		for i := range rows {
			m.done(moves[i].By, rows[i])
		}
	}
	return rows, err
}

func (m *mortal) Begin(ctx context.Context, mv exchange.Move, a exchange.Allotment) (d exchange.Delivery, err error) {
	err = m.write(mv.By, func() (err error) { d, err = m.Ledger.Begin(ctx, mv, a); return err }, mv.ID)
	return d, err
}

func (m *mortal) TakeFetched(ctx context.Context, turn exchange.Turn, d exchange.Delivery, text string, originals []exchange.Fetched) (row exchange.Delivery, err error) {
	err = m.write(exchange.Arrived, func() (err error) { row, err = m.Ledger.TakeFetched(ctx, turn, d, text, originals); return err })
	return row, err
}

func (m *mortal) Forget(ctx context.Context, partner string, f exchange.Fetched) error {
	return m.write("forget", func() error { return m.Ledger.Forget(ctx, partner, f) })
}

func (m *mortal) StopPartner(ctx context.Context, s exchange.Stop) error {
	return m.write("stop", func() error { return m.Ledger.StopPartner(ctx, s) })
}

func (m *mortal) ResumePartner(ctx context.Context, partner string) (resumed bool, err error) {
	err = m.write("resume", func() (err error) { resumed, err = m.Ledger.ResumePartner(ctx, partner); return err })
	return resumed, err
}

// A backEnd takes every file from an inbox as soon as it has its name.
type backEnd struct {
	dir   string
	taken map[string][][]byte // by name: every content that was ever there
	lists map[string]string   // by name of the file: the list of what was left out that lay beside it
}

func (b *backEnd) look() error {
	names, err := filepath.Glob(filepath.Join(b.dir, "*.edi"))
	if err != nil {
		return err
	}
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if b.taken == nil {
			b.taken, b.lists = map[string][][]byte{}, map[string]string{}
		}
		if list, err := os.ReadFile(strings.TrimSuffix(name, ".edi") + ".leftout.txt"); err == nil {
			b.lists[filepath.Base(name)] = string(list)
		}
		b.taken[filepath.Base(name)] = append(b.taken[filepath.Base(name)], content)
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	return nil
}

// got tells how often a content was handed over.
func (b *backEnd) got(content []byte) int {
	n := 0
	for _, copies := range b.taken {
		for _, c := range copies {
			if bytes.Equal(c, content) {
				n++
			}
		}
	}
	return n
}

func isAUF(name string) bool { return filepath.Ext(name) == annex.AUFSuffix }
