package bench

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"

	"gateway301/edifact"
)

// File makes an invented interchange of about n bytes as § 301 knows them: a
// separator every 6 bytes, a terminator every 41, released characters in 2 %
// of the values, some Latin-1. The same n gives the same bytes.
func File(n int) []byte {
	const (
		letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 abcdefghijklmnopqrstuvwxyz.,-/()"
		umlauts = "\xc4\xd6\xdc\xe4\xf6\xfc\xdf"
	)
	tags := []string{"INV", "NAD", "AUF", "EAD", "ETL", "NDG", "FAB", "REC", "ENT", "TXT", "DPV", "CUX"}
	rng := rand.New(rand.NewPCG(301, 5))
	b := append(make([]byte, 0, n+4096), "UNB+UNOC:3+260500005+109910000+261122:2200+00007++KRH00000007'"...)
	messages := 0
	for len(b) < n {
		messages++
		b = fmt.Appendf(b, "UNH+%05d+RECH:16:000:00'FKT+10+01+260500005+109910000'", messages)
		segments := 10 + rng.IntN(30)
		for range segments {
			b = append(b, tags[rng.IntN(len(tags))]...)
			for j := range 4 + rng.IntN(5) {
				if j > 0 && rng.IntN(5) == 0 {
					b = append(b, ':')
				} else {
					b = append(b, '+')
				}
				released := rng.IntN(50) == 0
				for i := range 2 + rng.IntN(8) {
					switch {
					case i == 1 && released:
						b = append(b, '?', ":+?'"[rng.IntN(4)])
					case rng.IntN(150) == 0:
						b = append(b, umlauts[rng.IntN(len(umlauts))])
					default:
						b = append(b, letters[rng.IntN(len(letters))])
					}
				}
			}
			b = append(b, '\'')
		}
		b = fmt.Appendf(b, "UNT+%d+%05d'", segments+3, messages)
	}
	return fmt.Appendf(b, "UNZ+%d+00007'", messages)
}

// Scan is the measure: the terminators in memory, found by bytes.IndexByte,
// without release characters and without tags.
func Scan(data []byte) (segments int, err error) {
	for {
		i := bytes.IndexByte(data, '\'')
		if i < 0 {
			return segments, nil
		}
		data = data[i+1:]
		segments++
	}
}

// Read goes through all segments with an edifact.Reader.
func Read(data []byte) (segments int, err error) { return readAll(bytes.NewReader(data)) }

func readAll(src io.Reader) (segments int, err error) {
	r := edifact.NewReader(src, edifact.Options{})
	for {
		if _, err := r.Next(); err != nil {
			return segments, atEnd(err)
		}
		segments++
	}
}

// Walk checks the envelope as well.
func Walk(data []byte) (segments int, err error) {
	w := edifact.NewWalker(bytes.NewReader(data), edifact.Options{}, nil)
	for {
		if _, err := w.Next(); err != nil {
			return segments, atEnd(err)
		}
		segments++
	}
}

// Consume is a full consumer: the envelope checked, every value taken,
// released characters resolved, Latin-1 made UTF-8.
func Consume(data []byte) (segments int, err error) {
	w := edifact.NewWalker(bytes.NewReader(data), edifact.Options{}, nil)
	d := edifact.Decoder{Charset: edifact.I1}
	length := 0
	for {
		step, err := w.Next()
		if err != nil {
			if length == 0 {
				return 0, fmt.Errorf("no value at all: %w", err)
			}
			return segments, atEnd(err)
		}
		segments++
		values, err := d.Values(step.Segment)
		if err != nil {
			return segments, err
		}
		for _, v := range values {
			length += len(d.Bytes(v))
		}
	}
}

func atEnd(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}
