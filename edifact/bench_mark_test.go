package edifact

import "testing"

// The marker alone, over a buffer in the cache.
func BenchmarkMark(b *testing.B) {
	data := sample(64<<10, DefaultSeparators())[:64<<10]
	m := marker{kernel: bestKernel()}
	m.all, m.rel = make([]uint64, len(data)/chunk+1), make([]uint64, len(data)/chunk+1)
	m.use(DefaultSeparators())
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		for at := 0; at < len(data); at += block {
			m.en = 0
			m.mark(data, at, at+block)
		}
	}
}
