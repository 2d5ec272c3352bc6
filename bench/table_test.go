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
// best pass of each, so that a busy machine spoils no ratio.
func BenchmarkTable(b *testing.B) {
	data := File(size)
	small := data[:bytes.LastIndex(data[:size/8], []byte("'UNH+"))+1]
	p, err := prepare(File(64 << 10))
	if err != nil {
		b.Fatal(err)
	}
	rows := []*row{
		{name: "scan for terminators (bytes.IndexByte)", data: data, pass: Scan},
		{name: "reader", data: data, pass: Read},
		{name: "walker", data: data, pass: Walk},
		{name: "full consumer", data: data, pass: Consume},
		{name: "writer", data: small, pass: p.write},
		{name: "omniparser v1.0.5, raw segments", data: small, pass: omniparser},
	}
	want, err := Scan(data)
	if err != nil {
		b.Fatal(err)
	}
	for range 7 {
		for _, r := range rows {
			start := time.Now()
			n, err := r.pass(r.data)
			took := time.Since(start)
			if err != nil {
				b.Fatalf("%s: %v", r.name, err)
			}
			if r.name != rows[0].name && len(r.data) == len(data) && (n < want*9/10 || n > want) {
				b.Fatalf("%s: %d segments of about %d", r.name, n, want)
			}
			if r.best == 0 || took < r.best {
				r.best = took
			}
		}
	}
	if took, err := pureGo(len(data)); err == nil {
		rows = append(rows, &row{name: "reader, pure Go", data: data, best: took})
	} else {
		b.Logf("no pure Go row: %v", err)
	}
	if took, err := npm(b, small); err == nil {
		rows = append(rows, &row{name: "npm edifact 1.2.12", data: small, best: took})
	} else {
		b.Logf("no npm row: %v", err)
	}
	var out strings.Builder
	fmt.Fprintf(&out, "\n%-40s %9s %9s %9s\n", "", "MB/s", "of scan", "of reader")
	for _, r := range rows {
		fmt.Fprintf(&out, "%-40s %9.0f %9.3f %9.3f\n", r.name, r.rate(), r.rate()/rows[0].rate(), r.rate()/rows[1].rate())
		if r != rows[0] {
			b.ReportMetric(r.rate()/rows[0].rate(), strings.ReplaceAll(r.name, " ", "_")+"/scan")
		}
	}
	fmt.Println(out.String())
}

type row struct {
	name string
	data []byte
	pass func([]byte) (int, error)
	best time.Duration
}

func (r *row) rate() float64 { return float64(len(r.data)) / 1e6 / r.best.Seconds() }

// pureGo measures the reader in a program built without the kernel.
func pureGo(n int) (time.Duration, error) {
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
