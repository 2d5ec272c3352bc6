package bench

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jf-tech/omniparser/extensions/omniv21/fileformat/edi"

	"gateway301/edifact"
)

const size = 64 << 20

// omniparser reads the raw segments with the peer's own reader.
func omniparser(data []byte) (segments int, err error) {
	component, release := ":", "?"
	r := edi.NewNonValidatingReader(bytes.NewReader(data), &edi.FileDecl{
		SegDelim: "'", ElemDelim: "+", CompDelim: &component, ReleaseChar: &release,
	})
	for {
		if _, err := r.Read(); err != nil {
			return segments, atEnd(err)
		}
		segments++
	}
}

// prepared holds the segments of data for a writer.
type prepared struct {
	tags     []string
	elements [][]edifact.Element
	size     int // of the bytes they make
}

func prepare(data []byte) (p prepared, err error) {
	p.size = len(data)
	r := edifact.NewReader(bytes.NewReader(data), edifact.Options{})
	for {
		s, err := r.Next()
		if err != nil {
			return p, atEnd(err)
		}
		var elements []edifact.Element
		c := s.Cursor()
		for c.Next() {
			if c.Component() == 1 {
				elements = append(elements, nil)
			}
			e := &elements[len(elements)-1]
			*e = append(*e, string(c.Value()))
		}
		p.tags = append(p.tags, s.Tag())
		p.elements = append(p.elements, elements)
	}
}

// write writes the prepared segments as often as they are in data: they stay
// in the cache, as the values of a program do that has just made them.
func (p prepared) write(data []byte) (segments int, err error) {
	w := edifact.NewWriter(io.Discard, edifact.WriterOptions{})
	for range len(data) / p.size {
		for i, tag := range p.tags {
			if err := w.Segment(tag, p.elements[i]...); err != nil {
				return segments, err
			}
			segments++
		}
	}
	return segments, w.Flush()
}

func benchPass(b *testing.B, n int, pass func([]byte) (int, error)) {
	data := File(n)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := pass(data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkScanLimit(b *testing.B)  { benchPass(b, size, Scan) }
func BenchmarkReader(b *testing.B)     { benchPass(b, size, Read) }
func BenchmarkWalker(b *testing.B)     { benchPass(b, size, Walk) }
func BenchmarkConsumer(b *testing.B)   { benchPass(b, size, Consume) }
func BenchmarkOmniparser(b *testing.B) { benchPass(b, size/16, omniparser) }

// BenchmarkTable measures every row on the same file, by turns, and takes the
// best pass of each, so that a busy machine spoils no ratio. It is run once.
func BenchmarkTable(b *testing.B) {
	data := File(size)
	small := data[:bytes.LastIndex(data[:size/8], []byte("'UNH+"))+1]
	part := data[:bytes.LastIndex(data[:1<<20], []byte("'UNH+"))+1]
	p, err := prepare(File(64 << 10))
	if err != nil {
		b.Fatal(err)
	}
	scan := &row{name: "scan for terminators, bytes.IndexByte", size: len(data), pass: func() (int, error) { return Scan(data) }}
	reader := &row{name: "reader", size: len(data), of: scan, want: 0.65, aim: 0.75, pass: func() (int, error) { return Read(data) }}
	pureGo := &row{name: "reader, pure Go", size: len(data), of: scan, want: 0.38, aim: 0.45}
	consumer := &row{name: "full consumer", size: len(data), of: scan, want: 0.22, pass: func() (int, error) { return Consume(data) }}
	writer := &row{name: "writer", size: len(small), of: reader, want: 0.5, pass: func() (int, error) { return p.write(small) }}
	omni := &row{name: "omniparser v1.0.5, raw segments", size: len(small), times: reader, want: 60, aim: 90, pass: func() (int, error) { return omniparser(small) }}
	node := &row{name: "npm edifact 1.2.12", size: len(small), times: reader, want: 15, aim: 25}
	rows := []*row{scan, reader, pureGo,
		{name: "walker: the envelope checked", size: len(data), of: scan, pass: func() (int, error) { return Walk(data) }},
		consumer, writer, omni, node}
	// The same MB again and again, so that it comes from the cache each time.
	stream := &row{name: "reader, 64 MB in the cache", size: 64 * len(part), pass: func() (int, error) { return readAll(&again{part: part, times: 64}) }}
	rows = append(rows, stream,
		&row{name: "reader, 64 files of 1 MB", size: 64 * len(part), of: stream, pass: func() (n int, err error) {
			for range 64 {
				if n, err = readAll(&again{part: part, times: 1}); err != nil {
					break
				}
			}
			return n, err
		}},
		&row{name: "reader, 4 GiB", size: 4096 * len(part), of: stream, passes: 2, pass: func() (int, error) { return readAll(&again{part: part, times: 4096}) }})

	want, err := Scan(data)
	if err != nil {
		b.Fatal(err)
	}
	for turn := range 7 {
		for _, r := range rows {
			if r.pass == nil || r.passes > 0 && turn >= r.passes {
				continue
			}
			start := time.Now()
			n, err := r.pass()
			took := time.Since(start)
			if err != nil {
				b.Fatalf("%s: %v", r.name, err)
			}
			// A scan takes released terminators for real ones.
			if r != scan && r.size == len(data) && (n < want*9/10 || n > want) {
				b.Fatalf("%s: %d segments of about %d", r.name, n, want)
			}
			if r.best == 0 || took < r.best {
				r.best = took
			}
		}
	}
	if pureGo.best, err = withoutKernel(len(data)); err != nil {
		b.Logf("no pure Go row: %v", err)
	}
	if node.best, err = npm(b, small); err != nil {
		b.Logf("no npm row: %v", err)
	}

	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := Read(data); err != nil {
		b.Fatal(err)
	}
	runtime.ReadMemStats(&after)

	fmt.Printf("\n%-40s %8s  %-15s %-9s %s\n", "", "MB/s", "", "at least", "aim")
	for _, r := range rows {
		if r.best > 0 {
			fmt.Println(r)
		}
	}
	fmt.Printf("%-40s %8s  %-15s %s\n", "memory of the reader, all it allocates", "", fmt.Sprintf("%d KiB", (after.TotalAlloc-before.TotalAlloc)>>10), "256 KiB at most")
	fmt.Printf("%-40s %8s  %-15d %s\n\n", "allocations of a pass over 64 MB", "", after.Mallocs-before.Mallocs, "20 at most")
	for range b.N { // the table is all there is
	}
}

// A row is one line of the table: a rate, and what it is compared with.
type row struct {
	name      string
	size      int                 // of what a pass goes through
	pass      func() (int, error) // returns the segments
	passes    int                 // if fewer than all
	best      time.Duration
	of, times *row    // its rate is so much of that one; that one is so many times as fast
	want, aim float64 // of either
}

func (r *row) rate() float64 { return float64(r.size) / 1e6 / r.best.Seconds() }

func (r *row) String() string {
	ratio, format := "", "%.2f"
	switch {
	case r.of != nil:
		short, _, _ := strings.Cut(strings.TrimPrefix(r.of.name, "reader, "), " in")
		short, _, _ = strings.Cut(short, " for")
		ratio = fmt.Sprintf("%.2f of %s", r.rate()/r.of.rate(), short)
	case r.times != nil:
		format = "%.0fx"
		ratio = fmt.Sprintf("%s %.0fx", r.times.name, r.times.rate()/r.rate())
	}
	goals := ""
	if r.want > 0 {
		goals = fmt.Sprintf("%-9s ", fmt.Sprintf(format, r.want))
	}
	if r.aim > 0 {
		goals += fmt.Sprintf(format, r.aim)
	}
	return strings.TrimRight(fmt.Sprintf("%-40s %8.0f  %-15s %s", r.name, r.rate(), ratio, goals), " ")
}

// again reads as the same part over and over.
type again struct {
	part  []byte
	at    int
	times int
}

func (a *again) Read(p []byte) (int, error) {
	if a.times == 0 {
		return 0, io.EOF
	}
	n := copy(p, a.part[a.at:])
	if a.at += n; a.at == len(a.part) {
		a.at = 0
		a.times--
	}
	return n, nil
}

// withoutKernel measures the reader in a program built without the kernel.
func withoutKernel(n int) (time.Duration, error) {
	out, err := exec.Command("go", "run", "-tags", "purego", "./purego", strconv.Itoa(n), "7").Output()
	if err != nil {
		return 0, err
	}
	s, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	return time.Duration(s * float64(time.Second)), err
}

// npm measures the JavaScript peer in node, the start of node not counted.
func npm(b *testing.B, data []byte) (time.Duration, error) {
	node, err := exec.LookPath("node")
	if err != nil {
		return 0, err
	}
	if _, err := os.Stat("npm/node_modules/edifact"); err != nil {
		return 0, errors.New(`run "npm install" in bench/npm first`)
	}
	path := filepath.Join(b.TempDir(), "file.edi")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return 0, err
	}
	out, err := exec.Command(node, "npm/read.js", path, "5").Output()
	if err != nil {
		return 0, err
	}
	var r struct {
		Seconds  float64
		Segments int
	}
	if err := json.Unmarshal(out, &r); err != nil {
		return 0, err
	}
	if want, _ := Read(data); r.Segments < want*9/10 || r.Segments > want {
		return 0, fmt.Errorf("%d segments of %d", r.Segments, want)
	}
	return time.Duration(r.Seconds * float64(time.Second)), nil
}

// The file has the proportions that the comparison is defined by.
func TestFile(t *testing.T) {
	data := File(1 << 20)
	n := float64(len(data))
	released := float64(bytes.Count(data, []byte("??")) + bytes.Count(data, []byte("?+")) + bytes.Count(data, []byte("?:")) + bytes.Count(data, []byte("?'")))
	terminators := float64(bytes.Count(data, []byte("'")))
	values := float64(bytes.Count(data, []byte("+")) + bytes.Count(data, []byte(":")))
	for _, c := range []struct {
		name      string
		got, want float64
	}{
		{"bytes for a separator", n / (values + terminators), 6},
		{"bytes for a terminator", n / terminators, 41},
		{"released values", released / values, 0.02},
	} {
		if c.got < 0.9*c.want || c.got > 1.15*c.want {
			t.Errorf("%s: %.3f, want about %.3f", c.name, c.got, c.want)
		}
	}
	segments, err := Walk(data)
	if err != nil || segments < int(terminators*0.95) {
		t.Errorf("%d segments, %v", segments, err)
	}
}
