package edifact

import (
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The kernel reads 16 bytes at a time. Values that end where the memory ends
// must not make it read on.
func TestWriterAtTheEndOfMemory(t *testing.T) {
	page := unix.Getpagesize()
	mem, err := unix.Mmap(-1, 0, 2*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Skipf("no memory of our own: %v", err)
	}
	defer unix.Munmap(mem)
	for i := range mem[:page] {
		mem[i] = "abc+:?'xyzABCDEFGHIJKLMNOP"[i%26]
	}
	if err := unix.Mprotect(mem[page:], unix.PROT_NONE); err != nil {
		t.Skipf("no memory to keep out of: %v", err)
	}
	for n := range 70 {
		for gap := range 20 {
			from := page - gap - n
			v := ""
			if n > 0 {
				v = unsafe.String(&mem[from], n)
			}
			checkJoin(t, C(v), C("x", v, ""), nil, C(v, v))
		}
	}
	// Nor must elements that do.
	for n := range 9 {
		at := unsafe.Pointer(&mem[page-n*int(unsafe.Sizeof(Element{}))-1])
		elements := unsafe.Slice((*Element)(unsafe.Add(at, 1)), n)
		for i := range elements {
			elements[i] = C("abc")
		}
		checkJoin(t, elements...)
	}
}
