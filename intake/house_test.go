package intake

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"gateway301/exchange"
	"gateway301/internal/faultfs"
)

// interchange is a small file that is complete as far as intake is concerned.
const interchange = "UNB+UNOC:3+260500005+109910000+261122:0315+00001++KRH00001'\r\n" +
	"UNH+00001+AUFN:13:000:00'\r\nUNT+2+00001'\r\nUNZ+1+00001'\r\n"

// A memory is a ledger that forgets when the test ends.
type memory struct {
	mu    sync.Mutex
	rows  []exchange.Delivery
	texts []string
	take  func() error // called before a row is written
	taken func() error // called after it was
	doubt error        // answer of HasIntake
}

func (m *memory) Take(_ context.Context, d exchange.Delivery, by exchange.Happening, text string) (exchange.Delivery, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.take != nil {
		if err := m.take(); err != nil {
			return d, err
		}
	}
	for k := range m.rows {
		if m.rows[k].Intake == d.Intake {
			return m.rows[k], nil
		}
	}
	var err error
	if d.State, err = exchange.Next("", by); err != nil {
		return d, err
	}
	d.ID = int64(len(m.rows) + 1)
	m.rows, m.texts = append(m.rows, d), append(m.texts, text)
	if m.taken != nil {
		err = m.taken()
	}
	return d, err
}

func (m *memory) TakenFrom(_ context.Context, account, fingerprint string) (exchange.Delivery, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k := len(m.rows) - 1; k >= 0; k-- {
		r := &m.rows[k]
		if r.Account == account && r.Fingerprint == fingerprint {
			return *r, nil
		}
	}
	return exchange.Delivery{}, fmt.Errorf("memory: %w", exchange.ErrNotFound)
}

func (m *memory) HasIntake(_ context.Context, token string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.ContainsFunc(m.rows, func(r exchange.Delivery) bool { return r.Intake == token }), m.doubt
}

func (m *memory) all() []exchange.Delivery {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.rows)
}

// A shelf is a spool in a folder.
type shelf struct {
	dir  string
	free atomic.Int64 // 0: as the disk has
	read func() error // called once a copy has begun
	put  func() error // called when a copy is complete
}

func (s *shelf) Put(ctx context.Context, token, part string, r io.Reader) (int64, string, error) {
	if err := os.MkdirAll(filepath.Join(s.dir, token), 0o700); err != nil {
		return 0, "", err
	}
	f, err := os.Create(filepath.Join(s.dir, token, part))
	if err != nil {
		return 0, "", err
	}
	defer f.Close()
	if s.read != nil {
		if err := s.read(); err != nil {
			return 0, "", err
		}
	}
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, h), &cancellable{ctx, r})
	if err == nil && s.put != nil {
		err = s.put()
	}
	if err != nil {
		return 0, "", fmt.Errorf("shelf: %w", err)
	}
	return n, hex.EncodeToString(h.Sum(nil)), nil
}

func (s *shelf) Remove(token string) error { return os.RemoveAll(filepath.Join(s.dir, token)) }

func (s *shelf) Free() (int64, error) {
	if n := s.free.Load(); n != 0 {
		return n, nil
	}
	return system{}.Free(s.dir)
}

func (s *shelf) tokens(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, e := range entries(t, s.dir) {
		names = append(names, e.Name())
	}
	return names
}

func entries(t *testing.T, dir string) []os.DirEntry {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return list
}

// A bench is an outbox with everything around it, and a clock that moves by one
// pause with each look.
type bench struct {
	*testing.T
	box    Outbox
	ledger *memory
	spool  *shelf
	clock  time.Time
	in     *Intake
	log    *bytes.Buffer
}

func newBench(t *testing.T, change func(*Outbox)) *bench {
	t.Helper()
	dir := folder(t)
	b := &bench{
		T: t,
		box: Outbox{
			Name: "nord", Path: filepath.Join(dir, "outbox"), Owner: "260500005", Physical: "260500016",
			Mode: exchange.Test, Looks: 3, Every: time.Second, MaxSize: 1 << 20,
			Ignore: []string{".tmp", ".part"}, Quarantine: filepath.Join(dir, "quarantine"),
		},
		ledger: &memory{}, spool: &shelf{dir: filepath.Join(dir, "spool")},
		clock: time.Date(2026, 11, 22, 3, 15, 0, 0, time.UTC), log: &bytes.Buffer{},
	}
	if change != nil {
		change(&b.box)
	}
	b.restart()
	return b
}

// folder is a temporary folder in memory, where there is one: the tests write
// many thousand files, and none of them must outlast a power cut.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "intake")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// restart is a new process over the same folders and ledger.
func (b *bench) restart() {
	b.Helper()
	in, err := New(b.box, b.spool, b.ledger, zerolog.New(b.log))
	if err != nil {
		b.Fatal(err)
	}
	in.now = func() time.Time { return b.clock }
	b.in = in
}

func (b *bench) path(name string) string { return filepath.Join(b.box.Path, name) }

func (b *bench) write(name, content string) {
	b.Helper()
	if err := os.WriteFile(b.path(name), []byte(content), 0o644); err != nil {
		b.Fatal(err)
	}
}

func (b *bench) try(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// scan looks once, a pause later.
func (b *bench) scan() (taken, pending int, err error) {
	b.clock = b.clock.Add(b.box.Every)
	return b.in.Scan(b.Context())
}

// look looks n times and counts what was taken; a fault ends the test.
func (b *bench) look(n int) (taken int) {
	b.Helper()
	for range n {
		k, _, err := b.scan()
		if err != nil {
			b.Fatal(err)
		}
		taken += k
	}
	return taken
}

// drain looks until nothing is pending and no fault is left, as `run --once` does.
func (b *bench) drain() (taken int) {
	b.Helper()
	for range 100 {
		k, pending, err := b.scan()
		taken += k
		if pending == 0 && err == nil {
			return taken
		}
	}
	b.Fatal("the outbox does not come to rest")
	return 0
}

// want compares the ledger's rows, "name state cause", and that every taken row
// has its bytes in the spool and nothing else stands there.
func (b *bench) want(rows ...string) {
	b.Helper()
	var got, tokens []string
	for _, d := range b.ledger.all() {
		got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s %s", d.Name, d.State, d.Cause)))
		if d.State == exchange.Taken {
			tokens = append(tokens, d.Intake)
			plain, err := os.ReadFile(filepath.Join(b.spool.dir, d.Intake, "plain"))
			sum := sha256.Sum256(plain)
			if err != nil || int64(len(plain)) != d.Size || hex.EncodeToString(sum[:]) != d.SHA256 {
				b.Errorf("%s: spool has %d bytes, row %d with hash %s; %v", d.Name, len(plain), d.Size, d.SHA256, err)
			}
		}
	}
	if !slices.Equal(got, rows) {
		b.Errorf("ledger %q, want %q", got, rows)
	}
	slices.Sort(tokens)
	if stand := b.spool.tokens(b.T); !slices.Equal(stand, tokens) {
		b.Errorf("spool has %q, ledger %q", stand, tokens)
	}
}

// content is what a taken row's spool holds.
func (b *bench) content(row int) string {
	b.Helper()
	plain, err := os.ReadFile(filepath.Join(b.spool.dir, b.ledger.all()[row].Intake, "plain"))
	b.try(err)
	return string(plain)
}

// left compares the names in the outbox.
func (b *bench) left(names ...string) {
	b.Helper()
	var got []string
	for _, e := range entries(b.T, b.box.Path) {
		got = append(got, e.Name())
	}
	if !slices.Equal(got, names) {
		b.Errorf("outbox has %q, want %q", got, names)
	}
}

// fail lets the disk fail from now on, until restart.
func (b *bench) fail(f *faultfs.Faults) { b.in.disk = f.Disk(system{}) }
