package edifact

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
)

// The oracle reads a whole file one byte at a time, by table, as plainly as
// the rules can be written down. It says in one string what a reader has to say.
func oracle(in []byte, limit int) string {
	var out strings.Builder
	seps := DefaultSeparators()
	at, number := 0, int64(0)
	head, afterUNZ := true, false
	fail := func(p Pos, err error) string {
		fmt.Fprintf(&out, "error %v: %v", p, err)
		return out.String()
	}
	if bytes.HasPrefix(in, []byte("\ufeff")) {
		at = 3
	}
	for {
		for at < len(in) && (in[at] == '\r' || in[at] == '\n') {
			at++
		}
		rest := in[at:]
		if head {
			if breaks := bytes.TrimLeft(rest[min(1, len(rest)):], "\r\n"); afterUNZ && len(rest) > 0 && rest[0] == 0x1a && len(breaks) == 0 && len(rest) <= limit {
				out.WriteString("end")
				return out.String()
			}
			if bytes.HasPrefix(rest, []byte("UNA")) {
				p := Pos{Offset: int64(at), Segment: number + 1, Tag: "UNA"}
				una := rest[:min(len(rest), 9)]
				if i := bytes.IndexByte(una, 0); i >= 0 {
					p.Offset += int64(i)
					return fail(p, ErrNUL)
				}
				if len(una) < 9 {
					p.Offset += int64(len(una))
					return fail(p, ErrTruncated)
				}
				s := Separators{una[3], una[4], una[5], una[6], una[7], una[8]}
				if i, err := s.check(); err != nil {
					p.Offset += int64(i)
					return fail(p, err)
				}
				seps = s
				at += 9
				continue
			}
			if afterUNZ && bytes.HasPrefix(rest, []byte("UNB")) {
				seps = DefaultSeparators()
			}
			head = false
		}
		if len(rest) == 0 {
			out.WriteString("end")
			return out.String()
		}

		table := [256]uint8{}
		if seps.Release != ' ' {
			table[seps.Release] = release
		}
		table[0] = nul
		table[seps.Component], table[seps.Element], table[seps.Terminator] = separator, separator, terminator
		var cuts []int
		isReleased := false
		stop, cause := len(rest), ErrTruncated
	bytes:
		for i, c := range rest {
			switch t := table[c]; {
			case t == nul:
				stop, cause, isReleased = i, ErrNUL, false
				break bytes
			case isReleased:
				isReleased = false
			case t == release:
				isReleased = true
			case t == separator:
				cuts = append(cuts, i)
			case t == terminator:
				cuts = append(cuts, i)
				stop, cause = i+1, nil
				break bytes
			}
		}
		if isReleased {
			cause = ErrDanglingRelease
		}
		seg := rest[:stop]
		p := Pos{Offset: int64(at), Segment: number + 1}
		bad := -1
		for i := 0; i < min(len(seg), 4) && bad < 0; i++ {
			c := seg[i]
			capital, digit := c >= 'A' && c <= 'Z', c >= '0' && c <= '9'
			switch {
			case i == 0 && !capital, i < 3 && !capital && !digit, i == 3 && table[c] != separator && table[c] != terminator:
				bad = i
			}
		}
		switch {
		case bad >= 0 && number == 0:
			return fail(p, ErrTextBefore)
		case bad >= 0:
			p.Offset += int64(bad)
			return fail(p, ErrTag)
		case len(seg) < 4:
			p.Offset += int64(len(seg))
			return fail(p, cause)
		case len(seg) > limit:
			stop, cause = limit, ErrSegmentTooLong
		}
		p.Tag = string(seg[:3])
		if cause != nil {
			for _, c := range cuts {
				if c < stop {
					p.Component++
					if rest[c] == seps.Element {
						p.Element++
						p.Component = 1
					}
				}
			}
			if p.Element == 0 {
				p.Component = 0
			}
			p.Offset += int64(stop)
			return fail(p, cause)
		}
		number++
		fmt.Fprintf(&out, "%d %d %d %s %q", number, at, at+stop, p.Tag, seg)
		e, c := 0, 1
		for i, cut := range cuts[:len(cuts)-1] {
			if c++; rest[cut] == seps.Element {
				e, c = e+1, 1
			}
			value := rest[cut+1 : cuts[i+1]]
			var plain []byte
			for j := 0; j < len(value); j++ {
				if seps.Release != ' ' && value[j] == seps.Release {
					j++
				}
				plain = append(plain, value[j])
			}
			fmt.Fprintf(&out, " %d.%d@%d=%q", e, c, at+cut+1, plain)
		}
		out.WriteByte('\n')
		at += stop
		if p.Tag == "UNZ" {
			head, afterUNZ = true, true
		}
	}
}

// said is what the reader says, in the words of the oracle.
func said(src io.Reader, limit int, kernel kernel) string {
	var out strings.Builder
	r := NewReader(src, Options{MaxSegment: limit})
	r.kernel = kernel
	err := readAll(r, &out)
	var se *SyntaxError
	switch {
	case err == io.EOF:
		out.WriteString("end")
	case errors.As(err, &se):
		fmt.Fprintf(&out, "error %v: %v", se.Pos, se.Err)
	default:
		fmt.Fprintf(&out, "source %v", err)
	}
	return out.String()
}

// randomly returns pieces of random length, now and then none.
type randomly struct {
	r   io.Reader
	rng *rand.Rand
}

func (r randomly) Read(p []byte) (int, error) {
	return r.r.Read(p[:min(len(p), r.rng.IntN(200))])
}

func checkArrivals(t *testing.T, in []byte, limit int, seed uint64) {
	t.Helper()
	want := oracle(in, limit)
	for name, src := range map[string]io.Reader{
		"all, pure Go":       bytes.NewReader(in),
		"all, SSE2":          bytes.NewReader(in),
		"all, AVX2":          bytes.NewReader(in),
		"all":                bytes.NewReader(in),
		"one byte at a time": iotest.OneByteReader(bytes.NewReader(in)),
		"eights":             chunked{bytes.NewReader(in), 8},
		"randomly":           randomly{bytes.NewReader(in), rand.New(rand.NewPCG(seed, 0))},
		"EOF with the data":  iotest.DataErrReader(bytes.NewReader(in)),
	} {
		kernel := bestKernel()
		switch name {
		case "all, pure Go":
			kernel = inGo
		case "all, SSE2":
			kernel = min(kernel, inSSE2)
		case "all, AVX2":
			kernel = min(kernel, inAVX2)
		}
		if got := said(src, limit, kernel); got != want {
			t.Errorf("%s, limit %d: %q\n got %s\nwant %s", name, limit, in, got, want)
		}
	}
}

// Random files over a small alphabet, in which everything that matters is frequent.
func TestReaderAgainstOracle(t *testing.T) {
	words := []string{"UNA:+,? '", "UNA*|.! ~", "UNA:+,  '", "UNA::,? '", "UNB+", "UNZ'", "UNZ~", "UNH", "BGM+", "A2C:", "'", "'", "'",
		"+", ":", "?", "?", "??", "\r\n", "\n", "\xc4", "\x1a", "abc", " ", "*", "|", "!", "~", "\ufeff", strings.Repeat("x", 61)}
	rng := rand.New(rand.NewPCG(7, 7))
	for i := range 2000 {
		var in []byte
		if i%2 == 0 {
			in = append(in, "UNB+UNOC:3'"...)
		}
		for range rng.IntN(60) {
			in = append(in, words[rng.IntN(len(words))]...)
		}
		if i%10 == 0 && len(in) > 0 {
			in[rng.IntN(len(in))] = 0
		}
		checkArrivals(t, in, []int{64, 100, 1000}[i%3], uint64(i))
		if t.Failed() {
			return
		}
	}
}

// Valid files with a byte changed here and there.
func TestReaderAgainstOracleOnEditedFiles(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	base := sample(11_000, DefaultSeparators())
	for i := range 12 {
		in := bytes.Clone(base[:8_000+rng.IntN(3000)])
		for range i % 4 {
			in[rng.IntN(len(in))] = "'+:?\x00\r\n\xffUNZ"[rng.IntN(11)]
		}
		checkArrivals(t, in, 64<<10, uint64(i))
		if t.Failed() {
			return
		}
	}
}
