//go:build !amd64 || purego

package edifact

// bestKernel: other processors do well enough in Go, and the functions below are
// never called.
func bestKernel() kernel { return inGo }

func markSSE2([]byte, []uint64, []uint64, []uint64, *pattern, uint64) uint64 { panic(inGo) }

func markAVX2([]byte, []uint64, []uint64, []uint64, *pattern, uint64) uint64 { panic(inGo) }

func upperKernel([]byte, []uint64) { panic(inGo) }

func spreadKernel(*[stride]Value, *byte, uint32, uint32, uint64, Value) { panic(inGo) }

func valuesAVX2(*[stride]Value, *[3 * chunk]byte, *byte, *uint64, *uint64, uint32, uint32, uint32) int {
	panic(inGo)
}

func valuesAVX512(*[stride]Value, *[3 * chunk]byte, *byte, *uint64, *uint64, uint32, uint32, uint32) int {
	panic(inGo)
}
