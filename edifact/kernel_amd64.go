//go:build !purego

package edifact

import "golang.org/x/sys/cpu"

// bestKernel: SSE2 is part of every amd64 processor.
func bestKernel() kernel {
	x := &cpu.X86
	switch avx2 := x.HasAVX2 && x.HasBMI1 && x.HasBMI2 && x.HasPOPCNT; {
	case avx2 && x.HasAVX512F && x.HasAVX512BW && x.HasAVX512CD && x.HasAVX512VL && x.HasAVX512VBMI2 && x.HasAVX512VPOPCNTDQ:
		return inAVX512
	case avx2:
		return inAVX2
	}
	return inSSE2
}

// markSSE2 does what compareGo and release do, 16 bytes at a time. b must be at
// least 64 bytes, and rel and term one word, for each word of all. It returns
// the bit carried on, or 2 if there is a NUL in b.
//
//go:noescape
func markSSE2(b []byte, all, rel, term []uint64, p *pattern, carry uint64) uint64

// markAVX2 does what markSSE2 does, 32 bytes at a time.
//
//go:noescape
func markAVX2(b []byte, all, rel, term []uint64, p *pattern, carry uint64) uint64

// upperKernel does what upperGo does. b must be at least 64 bytes for each word of upper.
//
//go:noescape
func upperKernel(b []byte, upper []uint64)

// spreadKernel does what spread does; 65 bytes from buf on must be readable.
//
//go:noescape
func spreadKernel(values *[stride]Value, buf *byte, at, sep uint32, word uint64, v Value)

// valuesAVX2 is Decoder.inGo for n < 64. It returns how many values there are, 64
// more if they are in short instead of buf, and -1 where inGo would give up.
//
//go:noescape
func valuesAVX2(values *[stride]Value, short *[3 * chunk]byte, buf *byte, all, odd *uint64, at, n, sep uint32) int

// valuesAVX512 does what valuesAVX2 does, all values at once.
//
//go:noescape
func valuesAVX512(values *[stride]Value, short *[3 * chunk]byte, buf *byte, all, odd *uint64, at, n, sep uint32) int
