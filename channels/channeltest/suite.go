package channeltest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"gateway301/channels"
)

// A Partner is a channel under test and the folders behind it.
type Partner struct {
	Channel channels.Channel
	OutDir  string // local folder in which the partner keeps what we put
	InDir   string // local folder from which the partner hands out

	Temporary channels.Temporary // as the channel was told; with Folder, the folder exists

	// Staged says that the partner's side shows a file in OutDir only once it was
	// closed: what grows cannot be seen there.
	Staged bool

	// PlainOnly says that the partner's side shows nothing but plain files with
	// names that CheckName lets pass: no folders, no links.
	PlainOnly bool

	// Cannot names promises that this kind of partner lets nobody keep, each with
	// the reason; they are left out, and the Matrix shows them.
	Cannot map[string]string

	Entries int // of a long list; 0 is 3000

	Least channels.Level // that a proof must have; 0 is Size
}

// A promise is one subtest of the suite.
type promise struct {
	name string
	hold func(*testing.T, *Partner)
}

var putPromises = [...]promise{
	{"put arrives whole", putArrivesWhole},
	{"partial file is never visible", partialNeverVisible},
	{"foreign file is never replaced", foreignNeverReplaced},
	{"foreign file that appears late is never replaced", lateForeignNeverReplaced},
	{"our own final name counts as delivered", oursCounts},
	{"a final name of another size is not ours", oursOfAnotherSize},
	{"leftovers under the temporary name do no harm", leftovers},
	{"an error before publication leaves nothing", stoppedBeforePublication},
	{"a broken source leaves nothing", brokenSource},
	{"look", look},
	{"cancelled midway", cancelledMidway},
	{"many at once", manyAtOnce},
}

var otherPromises = [...]promise{
	{"list shows plain files in order", listShowsPlainFiles},
	{"a long list", longList},
	{"a vanished folder is no empty folder", vanishedFolder},
	{"get", get},
	{"remove", remove},
	{"names that lead elsewhere", badNames},
	{"cancelled before", cancelledBefore},
	{"closed", closed},
}

// Run holds a channel to the promises of channels.Channel. Each subtest asks make
// for a partner with empty folders. The channel may be the same each time; the
// last subtest closes it.
func Run(t *testing.T, make func(t *testing.T) *Partner) {
	RunPut(t, make)
	hold(t, otherPromises[:], make)
}

// RunPut holds a channel to the promises about putting only: for the many ways in
// which a channel can be told to do so.
func RunPut(t *testing.T, make func(t *testing.T) *Partner) { hold(t, putPromises[:], make) }

func hold(t *testing.T, promises []promise, make func(t *testing.T) *Partner) {
	for _, promise := range promises {
		t.Run(promise.name, func(t *testing.T) { holdOne(t, promise, make(t)) })
	}
}

func holdOne(t *testing.T, promise promise, p *Partner) {
	if why, cannot := p.Cannot[promise.name]; cannot {
		t.Skip(why)
	}
	promise.hold(t, p)
}

// A Matrix gathers which partner let which promise be kept.
type Matrix struct {
	mu      sync.Mutex
	columns []string
	kept    map[string]map[string]string // promise, column
}

// Run is Run, with its results in a column of the matrix.
func (m *Matrix) Run(t *testing.T, column string, make func(t *testing.T) *Partner) {
	m.mu.Lock()
	m.columns = append(m.columns, column)
	m.mu.Unlock()
	for _, promise := range slices.Concat(putPromises[:], otherPromises[:]) {
		t.Run(promise.name, func(t *testing.T) {
			result := "failed"
			defer func() {
				switch {
				case t.Skipped():
					result = "—"
				case !t.Failed():
					result = "kept"
				}
				m.note(promise.name, column, result)
			}()
			holdOne(t, promise, make(t))
		})
	}
}

func (m *Matrix) note(promise, column, result string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kept == nil {
		m.kept = map[string]map[string]string{}
	}
	if m.kept[promise] == nil {
		m.kept[promise] = map[string]string{}
	}
	m.kept[promise][column] = result
}

// String is the matrix as a Markdown table: promises down, partners across.
func (m *Matrix) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "| promise | %s |\n|%s\n", strings.Join(m.columns, " | "), strings.Repeat(" --- |", len(m.columns)+1))
	for _, promise := range slices.Concat(putPromises[:], otherPromises[:]) {
		fmt.Fprintf(&b, "| %s |", promise.name)
		for _, column := range m.columns {
			fmt.Fprintf(&b, " %s |", m.kept[promise.name][column])
		}
		b.WriteString("\n")
	}
	return b.String()
}

// Content returns size bytes that look random and are the same for the same seed.
func Content(seed uint64, size int) []byte {
	b := [32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)}
	content := make([]byte, size)
	rand.NewChaCha8(b).Read(content)
	return content
}

const name = "EKRH0001"

func (p *Partner) least() channels.Level {
	if p.Least == 0 {
		return channels.Size
	}
	return p.Least
}

func (p *Partner) finalPath(name string) string { return filepath.Join(p.OutDir, name) }

func (p *Partner) temporaryPath(name string) (string, bool) {
	t, used := p.Temporary.Path(name)
	return filepath.Join(p.OutDir, filepath.FromSlash(t)), used
}

func (p *Partner) put(t *testing.T, name string, content []byte, o channels.PutOptions) (channels.Proof, error) {
	t.Helper()
	return p.Channel.Put(t.Context(), name, bytes.NewReader(content), int64(len(content)), o)
}

func (p *Partner) mustPut(t *testing.T, name string, content []byte, o channels.PutOptions) channels.Proof {
	t.Helper()
	proof, err := p.put(t, name, content, o)
	if err != nil {
		t.Fatalf("Put(%s, %d bytes, %+v) = %v", name, len(content), o.Ours, err)
	}
	return proof
}

// onlyHolds checks that the outgoing folder holds the one file with the content,
// or nothing if content is nil, and no temporary file either.
func (p *Partner) onlyHolds(t *testing.T, name string, content []byte) {
	t.Helper()
	var files []string
	err := filepath.WalkDir(p.OutDir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if content == nil {
		if len(files) > 0 {
			t.Errorf("partner holds %q, want nothing", files)
		}
		return
	}
	if !slices.Equal(files, []string{p.finalPath(name)}) {
		t.Errorf("partner holds %q, want only %s", files, name)
	}
	p.holds(t, name, content)
}

func (p *Partner) holds(t *testing.T, name string, content []byte) {
	t.Helper()
	got, err := os.ReadFile(p.finalPath(name))
	if err != nil {
		t.Error(err)
	} else if sha256.Sum256(got) != sha256.Sum256(content) {
		t.Errorf("%s holds %d bytes that differ from the %d sent", name, len(got), len(content))
	}
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// A spySource calls before for every read.
type spySource struct {
	io.ReaderAt
	before func(off int64) error
}

func (s spySource) ReadAt(b []byte, off int64) (int, error) {
	if err := s.before(off); err != nil {
		return 0, err
	}
	return s.ReaderAt.ReadAt(b, off)
}

func putArrivesWhole(t *testing.T, p *Partner) {
	for i, size := range []int{0, 1, 348, 32767, 32768, 32769, 3*32768 + 17, 5 << 20} {
		name := fmt.Sprintf("EKRH%04d", i)
		content := Content(uint64(i), size)
		proof := p.mustPut(t, name, content, channels.PutOptions{})
		if proof.Level < p.least() || !strings.Contains(proof.Text, fmt.Sprint(size)) {
			t.Errorf("%d bytes: proof %v %q, want at least the size", size, proof.Level, proof.Text)
		}
		p.onlyHolds(t, name, content)
		if err := p.Channel.Remove(t.Context(), channels.Outgoing, name); err != nil {
			t.Error(err)
		}
	}
}

func partialNeverVisible(t *testing.T, p *Partner) {
	temporary, used := p.temporaryPath(name)
	if !used {
		t.Skip("this channel writes under the final name")
	}
	content := Content(1, 5<<20)
	reads, seenGrowing := 0, false
	check := func(when string) {
		if exists(p.finalPath(name)) {
			t.Errorf("%s: the final name is visible", when)
		}
	}
	source := spySource{bytes.NewReader(content), func(off int64) error {
		reads++
		seenGrowing = seenGrowing || exists(temporary)
		check(fmt.Sprintf("after %d bytes", off))
		return nil
	}}
	asked := false
	_, err := p.Channel.Put(t.Context(), name, source, int64(len(content)), channels.PutOptions{
		BeforePublish: func() error {
			asked = true
			check("before publication")
			if info, err := os.Stat(temporary); err != nil || info.Size() != int64(len(content)) {
				t.Errorf("before publication the temporary file is %v, %v, want it complete", info, err)
			}
			files, _, err := p.Channel.List(t.Context(), channels.Outgoing)
			if err != nil || slices.ContainsFunc(files, func(e channels.Entry) bool { return e.Name == name }) {
				t.Errorf("before publication List = %v, %v", files, err)
			}
			return nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	if !asked || reads < 2 || !seenGrowing && !p.Staged {
		t.Errorf("BeforePublish called: %v, reads: %d, temporary file seen: %v", asked, reads, seenGrowing)
	}
	p.onlyHolds(t, name, content)
}

func foreignNeverReplaced(t *testing.T, p *Partner) {
	ours := Content(1, 40_000)
	for _, foreign := range [][]byte{{}, Content(2, 5), Content(3, 40_000), Content(4, 90_000)} {
		write(t, p.finalPath(name), foreign)
		called := false
		_, err := p.put(t, name, ours, channels.PutOptions{BeforePublish: func() error { called = true; return nil }})
		if !errors.Is(err, channels.ErrExists) || errors.Is(err, channels.ErrRefused) {
			t.Errorf("foreign of %d bytes: Put = %v, want ErrExists alone", len(foreign), err)
		}
		if called {
			t.Errorf("foreign of %d bytes: BeforePublish was called", len(foreign))
		}
		p.onlyHolds(t, name, foreign)
	}
}

func lateForeignNeverReplaced(t *testing.T, p *Partner) {
	foreign := Content(2, 777)
	_, err := p.put(t, name, Content(1, 40_000), channels.PutOptions{BeforePublish: func() error {
		write(t, p.finalPath(name), foreign)
		return nil
	}})
	if !errors.Is(err, channels.ErrExists) {
		t.Errorf("Put = %v, want ErrExists", err)
	}
	p.onlyHolds(t, name, foreign)
}

func oursCounts(t *testing.T, p *Partner) {
	content := Content(1, 70_000)
	p.mustPut(t, name, content, channels.PutOptions{})
	again := channels.PutOptions{Ours: true, BeforePublish: func() error {
		return errors.New("called for a file that is there")
	}}
	if proof := p.mustPut(t, name, content, again); proof.Level < p.least() {
		t.Errorf("proof %v, want more", proof)
	}
	if temporary, used := p.temporaryPath(name); used {
		write(t, temporary, content[:500])
		p.mustPut(t, name, content, again)
	}
	p.onlyHolds(t, name, content)
}

func oursOfAnotherSize(t *testing.T, p *Partner) {
	content, foreign := Content(1, 50_000), Content(2, 50_001)
	write(t, p.finalPath(name), foreign)
	if _, err := p.put(t, name, content, channels.PutOptions{Ours: true}); !errors.Is(err, channels.ErrExists) {
		t.Errorf("larger: Put = %v, want ErrExists", err)
	}
	p.onlyHolds(t, name, foreign)
	write(t, p.finalPath(name), content[:100])
	_, used := p.temporaryPath(name)
	_, err := p.put(t, name, content, channels.PutOptions{Ours: true})
	switch {
	case used && !errors.Is(err, channels.ErrExists):
		t.Errorf("smaller: Put = %v, want ErrExists", err)
	case used:
		p.onlyHolds(t, name, content[:100])
	case err != nil:
		t.Errorf("our own partial file, no temporary name: Put = %v", err)
	default:
		p.onlyHolds(t, name, content)
	}
}

func leftovers(t *testing.T, p *Partner) {
	content := Content(1, 100_000)
	holes := slices.Clone(content)
	clear(holes[40_000:60_000])
	remains := map[string][]byte{
		"nothing": {}, "a part": content[:50_000], "the right length with holes": holes,
		"all of it": content, "more": append(slices.Clone(content), 1, 2, 3),
	}
	for what, left := range remains {
		for _, ours := range []bool{false, true} {
			place, used := p.temporaryPath(name)
			if !used {
				if place = p.finalPath(name); !ours || len(left) > len(content) {
					continue
				}
			}
			write(t, place, left)
			if _, err := p.put(t, name, content, channels.PutOptions{Ours: ours}); err != nil {
				t.Errorf("%s left, ours %v: Put = %v", what, ours, err)
			}
			p.onlyHolds(t, name, content)
			if err := os.Remove(p.finalPath(name)); err != nil {
				t.Error(err)
			}
		}
	}
}

func stoppedBeforePublication(t *testing.T, p *Partner) {
	stop := errors.New("the ledger is read-only")
	content := Content(1, 80_000)
	_, err := p.put(t, name, content, channels.PutOptions{BeforePublish: func() error { return stop }})
	if !errors.Is(err, stop) {
		t.Errorf("Put = %v, want the error of BeforePublish", err)
	}
	p.onlyHolds(t, name, nil)
	p.mustPut(t, name, content, channels.PutOptions{})
	p.onlyHolds(t, name, content)
}

func brokenSource(t *testing.T, p *Partner) {
	content := Content(1, 1<<20)
	disk := errors.New("input/output error")
	source := spySource{bytes.NewReader(content), func(off int64) error {
		if off > 600_000 {
			return disk
		}
		return nil
	}}
	_, err := p.Channel.Put(t.Context(), name, source, int64(len(content)), channels.PutOptions{})
	if !errors.Is(err, disk) || !errors.Is(err, channels.ErrLocal) || errors.Is(err, channels.ErrLine) {
		t.Errorf("broken disk: Put = %v, want ErrLocal and the cause", err)
	}
	p.onlyHolds(t, name, nil)
	_, err = p.Channel.Put(t.Context(), name, bytes.NewReader(content), int64(len(content))+1, channels.PutOptions{})
	if !errors.Is(err, channels.ErrLocal) {
		t.Errorf("source too short: Put = %v, want ErrLocal", err)
	}
	p.onlyHolds(t, name, nil)
}

func listShowsPlainFiles(t *testing.T, p *Partner) {
	for side, dir := range map[channels.Side]string{channels.Outgoing: p.OutDir, channels.Incoming: p.InDir} {
		want := []string{".hidden", "A", "B.AUF", "a", "Ä"}
		for i, name := range want {
			write(t, filepath.Join(dir, name), make([]byte, i*1000))
		}
		bad := []string{"new\nline", "back\\slash", "esc\x1b[2J"}
		for _, name := range bad {
			write(t, filepath.Join(dir, name), nil)
		}
		if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(dir, "A"), filepath.Join(dir, "link")); err != nil {
			t.Fatal(err)
		}
		files, refused, err := p.Channel.List(t.Context(), side)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for i, e := range files {
			got = append(got, e.Name)
			if i < len(want) && e.Name == want[i] && e.Size != int64(i*1000) {
				t.Errorf("%s: size %d, want %d", e.Name, e.Size, i*1000)
			}
			if info, err := os.Stat(filepath.Join(dir, e.Name)); err != nil || e.ModTime.Unix() != info.ModTime().Unix() {
				t.Errorf("%s: time %v, want %v", e.Name, e.ModTime, info.ModTime())
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%v: List = %q, want %q", side, got, want)
		}
		if !p.PlainOnly && len(refused) != len(bad) {
			t.Errorf("%v: refused %v, want %q", side, refused, bad)
		}
		for _, r := range refused {
			if !errors.Is(r.Err, channels.ErrName) || !slices.Contains(bad, r.Name) {
				t.Errorf("%v: refused %q: %v", side, r.Name, r.Err)
			}
		}
	}
}

func longList(t *testing.T, p *Partner) {
	entries := 3000
	if p.Entries > 0 {
		entries = p.Entries
	}
	var want []string
	for i := range entries {
		name := fmt.Sprintf("EKRH%04d", i)
		write(t, filepath.Join(p.InDir, name), nil)
		want = append(want, name)
	}
	files, refused, err := p.Channel.List(t.Context(), channels.Incoming)
	if err != nil || len(refused) > 0 {
		t.Fatal(err, refused)
	}
	var got []string
	for _, e := range files {
		got = append(got, e.Name)
	}
	if !slices.Equal(got, want) {
		t.Errorf("List returned %d names, want %d in order", len(got), entries)
	}
}

func vanishedFolder(t *testing.T, p *Partner) {
	if files, _, err := p.Channel.List(t.Context(), channels.Incoming); err != nil || len(files) > 0 {
		t.Fatalf("List of the empty folder = %v, %v", files, err)
	}
	for _, dir := range []string{p.InDir, p.OutDir} {
		if err := os.Rename(dir, dir+".away"); err != nil {
			t.Fatal(err)
		}
	}
	if files, _, err := p.Channel.List(t.Context(), channels.Incoming); err == nil {
		t.Errorf("List of the vanished folder = %v, want an error", files)
	}
	if _, err := p.put(t, name, []byte("x"), channels.PutOptions{}); err == nil {
		t.Error("Put into the vanished folder succeeded")
	}
	for _, dir := range []string{p.InDir, p.OutDir} {
		if err := os.Rename(dir+".away", dir); err != nil {
			t.Fatal(err)
		}
	}
	p.mustPut(t, name, []byte("x"), channels.PutOptions{})
	p.onlyHolds(t, name, []byte("x"))
}

// A brokenSink fails once it has taken so many bytes.
type brokenSink struct{ left int }

var errSink = errors.New("no space left on device")

func (s *brokenSink) Write(b []byte) (int, error) {
	if s.left -= len(b); s.left < 0 {
		return 0, errSink
	}
	return len(b), nil
}

func get(t *testing.T, p *Partner) {
	for i, size := range []int{0, 1, 32768, 3*32768 + 1, 5 << 20} {
		content := Content(uint64(i), size)
		write(t, filepath.Join(p.InDir, name), content)
		var got bytes.Buffer
		n, err := p.Channel.Get(t.Context(), channels.Incoming, name, &got)
		if err != nil || n != int64(size) || !bytes.Equal(got.Bytes(), content) {
			t.Errorf("%d bytes: Get = %d, %v, got %d bytes", size, n, err, got.Len())
		}
	}
	if _, err := p.Channel.Get(t.Context(), channels.Incoming, name, &brokenSink{1 << 20}); !errors.Is(err, channels.ErrLocal) || !errors.Is(err, errSink) {
		t.Errorf("broken sink: Get = %v, want ErrLocal and the cause", err)
	}
	if _, err := p.Channel.Get(t.Context(), channels.Incoming, "EKRH0404", io.Discard); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: Get = %v, want fs.ErrNotExist", err)
	}
	if err := os.Mkdir(filepath.Join(p.InDir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Channel.Get(t.Context(), channels.Incoming, "folder", io.Discard); err == nil {
		t.Error("Get of a folder succeeded")
	}
}

func remove(t *testing.T, p *Partner) {
	write(t, filepath.Join(p.InDir, name), []byte("x"))
	if err := p.Channel.Remove(t.Context(), channels.Incoming, name); err != nil || exists(filepath.Join(p.InDir, name)) {
		t.Errorf("Remove = %v, file still there: %v", err, exists(filepath.Join(p.InDir, name)))
	}
	if err := p.Channel.Remove(t.Context(), channels.Incoming, name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: Remove = %v, want fs.ErrNotExist", err)
	}
	folder := filepath.Join(p.InDir, "folder")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	want := channels.ErrRefused
	if p.PlainOnly {
		want = fs.ErrNotExist
	}
	if err := p.Channel.Remove(t.Context(), channels.Incoming, "folder"); !errors.Is(err, want) || !exists(folder) {
		t.Errorf("empty folder: Remove = %v, folder still there: %v, want %v", err, exists(folder), want)
	}
}

func look(t *testing.T, p *Partner) {
	sight := func() channels.Sight {
		t.Helper()
		s, err := p.Channel.Look(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if s := sight(); s.Final != nil || s.Temporary != nil {
		t.Errorf("empty folder: Look = %+v", s)
	}
	if temporary, used := p.temporaryPath(name); used {
		write(t, temporary, make([]byte, 10))
		if s := sight(); s.Final != nil || s.Temporary == nil || s.Temporary.Size != 10 {
			t.Errorf("temporary file there: Look = %+v", s)
		}
		if err := os.Remove(temporary); err != nil {
			t.Fatal(err)
		}
	}
	write(t, p.finalPath(name), make([]byte, 20))
	if s := sight(); s.Final == nil || s.Final.Name != name || s.Final.Size != 20 || s.Temporary != nil {
		t.Errorf("final file there: Look = %+v", s)
	}
}

func badNames(t *testing.T, p *Partner) {
	outside := filepath.Join(filepath.Dir(p.OutDir), "outside")
	write(t, outside, []byte("not yours"))
	for _, name := range []string{"", ".", "..", "../outside", "/etc/passwd", "a/../../outside", `..\outside`, "a\x00b", strings.Repeat("x", 300)} {
		_, put := p.put(t, name, []byte("x"), channels.PutOptions{Ours: true})
		_, get := p.Channel.Get(t.Context(), channels.Incoming, name, io.Discard)
		_, look := p.Channel.Look(t.Context(), name)
		remove := p.Channel.Remove(t.Context(), channels.Outgoing, name)
		for call, err := range map[string]error{"Put": put, "Get": get, "Look": look, "Remove": remove} {
			if !errors.Is(err, channels.ErrRefused) || !errors.Is(err, channels.ErrName) {
				t.Errorf("%s(%q) = %v, want ErrRefused and ErrName", call, name, err)
			}
		}
	}
	if got, err := os.ReadFile(outside); err != nil || string(got) != "not yours" {
		t.Errorf("the file outside is now %q, %v", got, err)
	}
	p.onlyHolds(t, name, nil)
}

func cancelledBefore(t *testing.T, p *Partner) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, put := p.Channel.Put(ctx, name, bytes.NewReader([]byte("x")), 1, channels.PutOptions{})
	_, get := p.Channel.Get(ctx, channels.Incoming, name, io.Discard)
	_, look := p.Channel.Look(ctx, name)
	_, _, list := p.Channel.List(ctx, channels.Incoming)
	remove := p.Channel.Remove(ctx, channels.Outgoing, name)
	for call, err := range map[string]error{"Put": put, "Get": get, "Look": look, "List": list, "Remove": remove} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s = %v, want context.Canceled", call, err)
		}
	}
	p.onlyHolds(t, name, nil)
}

func cancelledMidway(t *testing.T, p *Partner) {
	content := Content(1, 5<<20)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	source := spySource{bytes.NewReader(content), func(off int64) error {
		if off >= 1<<20 {
			cancel()
		}
		return nil
	}}
	_, err := p.Channel.Put(ctx, name, source, int64(len(content)), channels.PutOptions{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Put = %v, want context.Canceled", err)
	}
	if _, used := p.temporaryPath(name); used && exists(p.finalPath(name)) {
		t.Error("the final name is visible after a cancelled upload")
	}
	p.mustPut(t, name, content, channels.PutOptions{Ours: true})
	p.onlyHolds(t, name, content)
}

func manyAtOnce(t *testing.T, p *Partner) {
	const workers, each = 8, 6
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for i := range each {
				n := w*each + i
				name, content := fmt.Sprintf("EKRH%04d", n), Content(uint64(n), 1000*n)
				if _, err := p.put(t, name, content, channels.PutOptions{}); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				var back bytes.Buffer
				if err := os.Link(p.finalPath(name), filepath.Join(p.InDir, name)); err != nil {
					t.Error(err)
				}
				if _, err := p.Channel.Get(t.Context(), channels.Incoming, name, &back); err != nil || !bytes.Equal(back.Bytes(), content) {
					t.Errorf("%s: Get = %v, %d bytes", name, err, back.Len())
				}
			}
		})
	}
	all.Wait()
	files, _, err := p.Channel.List(t.Context(), channels.Outgoing)
	if err != nil || len(files) != workers*each {
		t.Errorf("List shows %d files, %v, want %d", len(files), err, workers*each)
	}
}

func closed(t *testing.T, p *Partner) {
	p.mustPut(t, name, []byte("x"), channels.PutOptions{})
	if err := p.Channel.Close(); err != nil {
		t.Error(err)
	}
	if _, _, err := p.Channel.List(t.Context(), channels.Incoming); !errors.Is(err, channels.ErrClosed) {
		t.Errorf("List after Close = %v, want ErrClosed", err)
	}
	if err := p.Channel.Close(); err != nil {
		t.Errorf("second Close = %v", err)
	}
}
