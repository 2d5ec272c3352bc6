//go:build !purego

package edifact

// haveKernel: SSE2 is part of every amd64 processor.
func haveKernel() bool { return true }

// compareKernel does what compareGo does, 16 bytes at a time. b must be at
// least 64 bytes, and term one word, for each word of all.
//
//go:noescape
func compareKernel(b []byte, all, term []uint64, p *pattern)

// upperKernel does what upperGo does. b must be at least 64 bytes for each word of upper.
//
//go:noescape
func upperKernel(b []byte, upper []uint64)

// spreadKernel does what spread does; buf must hold end and all before it.
//
//go:noescape
func spreadKernel(values *[stride]Value, buf *byte, first, at, end, sep uint32, word uint64, element, component uint32) uint64
