//go:build !amd64 || purego

package edifact

// haveKernel: other processors do well enough with compareGo.
func haveKernel() bool { return false }

func compareKernel(b []byte, all, term []uint64, p *pattern) { compareGo(b, all, term, p) }

func upperKernel(b []byte, upper []uint64) { upperGo(b, upper) }

func spreadKernel(*[stride]Value, *byte, uint32, uint32, uint32, uint32, uint64, uint32, uint32) uint64 {
	panic("edifact: no kernel") // Reader.kernel is false
}
