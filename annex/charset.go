package annex

import (
	"io"

	"gateway301/edifact"
)

// InI1 reads a file as if it had been written in I1, ISO 8859-1, in which this
// package reads texts. What I1 does not hold becomes ".". A file in I1, or in a set
// in which no EDIFACT is written, comes as it is. Lengths and offsets stay.
func InI1(r io.Reader, z Zeichensatz) io.Reader {
	set, ok := edifact.ParseCharset(string(z))
	if !ok || set == edifact.I1 || set == edifact.U8 {
		return r
	}
	t := translated{r: r}
	for b := range t.to {
		t.to[b] = '.'
		if text, err := set.Decode([]byte{byte(b)}); err == nil {
			if c, err := edifact.I1.Encode(text); err == nil && len(c) == 1 {
				t.to[b] = c[0]
			}
		}
	}
	return &t
}

type translated struct {
	r  io.Reader
	to [256]byte
}

func (t *translated) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	for i, b := range p[:n] {
		p[i] = t.to[b]
	}
	return n, err
}
