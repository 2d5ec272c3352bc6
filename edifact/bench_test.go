package edifact

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"
)

const benchSize = 64 << 20

// readPass is what BenchmarkReader does: every segment is found, its tag and
// length checked.
func readPass(r *Reader) error {
	for {
		if _, err := r.Next(); err != nil {
			return atEnd(err)
		}
	}
}

func atEnd(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

// walkPass checks the envelope as well.
func walkPass(w *Walker) error {
	for {
		if _, err := w.Next(); err != nil {
			return atEnd(err)
		}
	}
}

// consumePass is a full consumer: the envelope checked, every value taken,
// released characters resolved, Latin-1 made UTF-8.
func consumePass(w *Walker) (n int, err error) {
	d := Decoder{Charset: I1}
	for {
		step, err := w.Next()
		if err != nil {
			return n, atEnd(err)
		}
		values, err := d.Values(step.Segment)
		if err != nil {
			return n, err
		}
		for _, v := range values {
			n += len(d.Bytes(v))
		}
	}
}

// scanPass finds the terminators with bytes.IndexByte, in memory, without
// release characters and without tags: the measure for everything else.
func scanPass(data []byte) (n int) {
	for {
		i := bytes.IndexByte(data, '\'')
		if i < 0 {
			return n
		}
		data = data[i+1:]
		n++
	}
}

// table holds segments ready to be written.
type table struct {
	tags     []string
	elements [][]Element
}

func newTable(tb testing.TB, data []byte) (t table) {
	r := NewReader(bytes.NewReader(data), Options{})
	for {
		s, err := r.Next()
		if err != nil {
			if atEnd(err) != nil {
				tb.Fatal(err)
			}
			return t
		}
		var elements []Element
		for c := s.Cursor(); c.Next(); {
			if c.Component() == 1 {
				elements = append(elements, nil)
			}
			e := &elements[len(elements)-1]
			*e = append(*e, string(c.Value()))
		}
		t.tags = append(t.tags, s.Tag())
		t.elements = append(t.elements, elements)
	}
}

func (t table) write(w *Writer) error {
	for i, tag := range t.tags {
		if err := w.Segment(tag, t.elements[i]...); err != nil {
			return err
		}
	}
	return w.Flush()
}

func benchReader(b *testing.B, data []byte, pass func(*bytes.Reader) error) {
	src := bytes.NewReader(data)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		src.Reset(data)
		if err := pass(src); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReader(b *testing.B) {
	benchReader(b, sample(benchSize, DefaultSeparators()), func(src *bytes.Reader) error {
		return readPass(NewReader(src, Options{}))
	})
}

func BenchmarkScanLimit(b *testing.B) {
	data := sample(benchSize, DefaultSeparators())
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if scanPass(data) == 0 {
			b.Fatal("no terminator")
		}
	}
}

func BenchmarkReaderPureGo(b *testing.B) {
	benchReader(b, sample(benchSize, DefaultSeparators()), func(src *bytes.Reader) error {
		r := NewReader(src, Options{})
		r.kernel = inGo
		return readPass(r)
	})
}

func BenchmarkReaderSizes(b *testing.B) {
	part := sample(1<<20, DefaultSeparators())
	for _, n := range []int64{1 << 20, 64 << 20, 4 << 30} {
		b.Run(fmt.Sprintf("%dMiB", n>>20), func(b *testing.B) {
			times := max(1, n/int64(len(part)))
			b.SetBytes(times * int64(len(part)))
			b.ReportAllocs()
			for b.Loop() {
				if err := readPass(NewReader(&repeat{part: part, times: times}, Options{})); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// repeat reads as the same part over and over.
type repeat struct {
	part  []byte
	at    int
	times int64
}

func (r *repeat) Read(p []byte) (int, error) {
	if r.times == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.part[r.at:])
	if r.at += n; r.at == len(r.part) {
		r.at = 0
		r.times--
	}
	return n, nil
}

func BenchmarkWalker(b *testing.B) {
	benchReader(b, sample(benchSize, DefaultSeparators()), func(src *bytes.Reader) error {
		return walkPass(NewWalker(src, Options{}, nil))
	})
}

func BenchmarkConsumer(b *testing.B) {
	benchReader(b, sample(benchSize, DefaultSeparators()), func(src *bytes.Reader) error {
		n, err := consumePass(NewWalker(src, Options{}, nil))
		if n == 0 {
			err = errors.Join(err, errors.New("nothing consumed"))
		}
		return err
	})
}

// BenchmarkWriter writes segments that stand in the cache, as the values of a
// program do that has just made them.
func BenchmarkWriter(b *testing.B) {
	data := sample(64<<10, DefaultSeparators())
	t := newTable(b, data)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	w := NewWriter(io.Discard, WriterOptions{})
	for b.Loop() {
		if err := t.write(w); err != nil {
			b.Fatal(err)
		}
	}
}

// No allocation for a segment or a message, and little memory, whatever the file.
func TestAllocations(t *testing.T) {
	data := sample(1<<20, DefaultSeparators())
	for name, pass := range map[string]func() error{
		"reader":   func() error { return readPass(NewReader(bytes.NewReader(data), Options{})) },
		"walker":   func() error { return walkPass(NewWalker(bytes.NewReader(data), Options{}, nil)) },
		"consumer": func() error { _, err := consumePass(NewWalker(bytes.NewReader(data), Options{}, nil)); return err },
	} {
		n := testing.AllocsPerRun(3, func() {
			if err := pass(); err != nil {
				t.Fatal(err)
			}
		})
		if n > 20 {
			t.Errorf("%s: %v allocations for %d bytes", name, n, len(data))
		}
	}
	table := newTable(t, data)
	if n := testing.AllocsPerRun(3, func() {
		if err := table.write(NewWriter(io.Discard, WriterOptions{})); err != nil {
			t.Fatal(err)
		}
	}); n > 5 {
		t.Errorf("writer: %v allocations", n)
	}
}

// What a reader holds on to stays under 256 KiB at the default limit, whatever
// the bytes are.
func TestReaderMemory(t *testing.T) {
	fill := func(s string) []byte { return bytes.Repeat([]byte(s), (defaultSegment-8)/len(s)) }
	seg := func(body []byte) []byte { return append(append([]byte("TXT+"), body...), '\'') }
	var tags []byte
	for i := range 26 * 36 * 36 {
		const d = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
		tags = append(tags, d[i/36/36], d[i/36%36], d[i%36], '\'')
	}
	for name, in := range map[string][]byte{
		"ordinary":               sample(1<<20, DefaultSeparators()),
		"one long value":         seg(fill("x")),
		"separators only":        seg(fill("+")),
		"release characters":     seg(fill("??")),
		"released everywhere":    seg(fill("?+a+")),
		"short segments":         bytes.Repeat([]byte("ABC'"), 100_000),
		"every tag there is":     tags,
		"long and short by turn": bytes.Repeat(append(seg(fill("?:")), "ABC'"...), 20),
	} {
		r := NewReader(bytes.NewReader(in), Options{})
		for {
			s, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			_ = s.Tag()
			for c := s.Cursor(); c.Next(); {
				_ = c.Value()
			}
		}
		const perTag = 64 // key, string header, three bytes and the room of the map around them
		held := len(r.buf) + 8*(len(r.all)+len(r.rel)+len(r.odd)) + 4*len(r.ends) + len(r.scratch) + perTag*len(r.tags)
		if held > 256<<10 {
			t.Errorf("%s: %d bytes held", name, held)
		}
	}
}
