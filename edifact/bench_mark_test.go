package edifact

import "testing"

// The marker alone, over a buffer in the cache.
func BenchmarkMark(b *testing.B) {
	data := sample(64<<10, DefaultSeparators())[:64<<10]
	m := marker{kernel: haveKernel()}
	m.all = make([]uint64, len(data)/chunk+1)
	m.use(DefaultSeparators())
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		for at := 0; at < len(data); at += block {
			m.en, m.rn = 0, 0
			m.mark(data, at, at+block)
		}
	}
}
