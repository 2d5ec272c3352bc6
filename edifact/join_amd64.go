//go:build !purego

package edifact

// haveJoin reports whether the processor has SSSE3, which the kernel needs.
func haveJoin() bool

// joinKernel writes elements as they stand in a segment behind its tag to dst,
// of which room bytes may be written, with what needs it released and without
// trailing empty components and elements. It returns how many bytes that are,
// or -1 if it has to be done in Go: a character is to be refused, the room
// is short, or a value lies at the end of a memory page.
//
//go:noescape
func joinKernel(dst *byte, room int, elements []Element, t *joinTable) int
