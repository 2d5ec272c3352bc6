//go:build !purego

package edifact

// haveKernel: SSE2 is part of every amd64 processor.
func haveKernel() bool { return true }

// compareKernel does what compareGo does, 16 bytes at a time. b must be at
// least 64 bytes, and term one word, for each word of all.
//
//go:noescape
func compareKernel(b []byte, all, term []uint64, p *pattern)
