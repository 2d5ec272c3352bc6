//go:build !amd64 || purego

package edifact

// haveKernel: other processors do well enough with compareGo.
func haveKernel() bool { return false }

func compareKernel(b []byte, all, term []uint64, p *pattern) { compareGo(b, all, term, p) }
