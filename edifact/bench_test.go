package edifact

import (
	"bytes"
	"io"
	"testing"
)

const benchSize = 64 << 20

// What BenchmarkReader does for each pass: every segment is found, tag and limits checked.
func readPass(b *testing.B, r *Reader) (n int) {
	for {
		_, err := r.Next()
		if err == io.EOF {
			return n
		}
		if err != nil {
			b.Fatal(err)
		}
		n++
	}
}

func BenchmarkReader(b *testing.B) {
	data := sample(benchSize, DefaultSeparators())
	src := bytes.NewReader(data)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		src.Reset(data)
		readPass(b, NewReader(src, Options{}))
	}
}

// BenchmarkScanLimit is the measure: the terminators of the same bytes, found
// by bytes.IndexByte in memory, without release characters and without tags.
func BenchmarkScanLimit(b *testing.B) {
	data := sample(benchSize, DefaultSeparators())
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for rest := data; ; n++ {
			i := bytes.IndexByte(rest, '\'')
			if i < 0 {
				break
			}
			rest = rest[i+1:]
		}
		if n == 0 {
			b.Fatal("no terminator")
		}
	}
}
