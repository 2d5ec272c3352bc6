package edifact

import (
	"fmt"
	"math/rand/v2"
)

// sample makes a valid interchange of about n bytes with the proportions that
// the benchmarks are defined by: a separator every 6 bytes, a terminator
// every 41, released characters in 2 % of the values, Latin-1 text.
func sample(n int, s Separators) []byte {
	rng := rand.New(rand.NewPCG(301, 5))
	b := make([]byte, 0, n+256)
	if s != DefaultSeparators() {
		b = s.append(b)
	}
	put := func(format string, a ...any) {
		for _, c := range fmt.Appendf(nil, format, a...) {
			switch c {
			case '+':
				c = s.Element
			case ':':
				c = s.Component
			case '\'':
				c = s.Terminator
			}
			b = append(b, c)
		}
	}
	const (
		letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 abcdefghijklmnopqrstuvwxyz.,-/()"
		umlauts = "\xc4\xd6\xdc\xe4\xf6\xfc\xdf"
	)
	tags := []string{"INV", "NAD", "AUF", "EAD", "ETL", "NDG", "FAB", "REC", "ENT", "TXT", "DPV", "CUX"}
	put("UNB+UNOC:3+260500005+109910000+261122:2200+00007++KRH00000007'")
	messages := 0
	for len(b) < n {
		messages++
		put("UNH+%05d+RECH:16:000:00'", messages)
		put("FKT+10+01+260500005+109910000'")
		segments := 10 + rng.IntN(30)
		for range segments {
			b = append(b, tags[rng.IntN(len(tags))]...)
			for j := range 4 + rng.IntN(5) {
				if j > 0 && rng.IntN(5) == 0 {
					b = append(b, s.Component)
				} else {
					b = append(b, s.Element)
				}
				at := rng.IntN(50)
				for i := range 2 + rng.IntN(8) {
					if i == 1 && at == 0 {
						b = append(b, s.Release, [...]byte{s.Component, s.Element, s.Release, s.Terminator}[rng.IntN(4)])
						continue
					}
					if rng.IntN(150) == 0 { // names and free text are the smaller part
						b = append(b, umlauts[rng.IntN(len(umlauts))])
						continue
					}
					b = append(b, letters[rng.IntN(len(letters))])
				}
			}
			b = append(b, s.Terminator)
		}
		put("UNT+%d+%05d'", segments+3, messages)
	}
	put("UNZ+%d+00007'", messages)
	return b
}
