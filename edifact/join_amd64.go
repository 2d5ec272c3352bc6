//go:build !purego

package edifact

import "golang.org/x/sys/cpu"

// bestJoin: joinKernel needs SSSE3.
func bestJoin() kernel {
	switch {
	case bestKernel() >= inAVX2:
		return inAVX2
	case cpu.X86.HasSSSE3:
		return inSSE2
	}
	return inGo
}

// joinKernel writes elements as they stand in a segment behind its tag to dst,
// of which room bytes may be written, with what needs it released and without
// trailing empty components and elements. It returns how many bytes that are,
// or -1 if it has to be done in Go: a character is to be refused, the room
// is short, or a value lies at the end of a memory page.
//
//go:noescape
func joinKernel(dst *byte, room int, elements []Element, t *joinTable) int

// joinShort does what joinKernel does for what takes less than 64 bytes, with
// AVX2. It may write joinRoom bytes, and returns -1 more often.
//
//go:noescape
func joinShort(dst *byte, elements []Element, t *joinTable) int
