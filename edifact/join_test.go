//go:build linux

package edifact

import (
	"bytes"
	"errors"
	"strings"
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
}

// checkJoin writes a segment with and without the kernel.
func checkJoin(t *testing.T, elements ...Element) {
	t.Helper()
	var fast, slow bytes.Buffer
	f, s := NewWriter(&fast, WriterOptions{}), NewWriter(&slow, WriterOptions{})
	s.join = nil
	if err := errors.Join(f.Segment("TXT", elements...), f.Flush(), s.Segment("TXT", elements...), s.Flush()); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(fast.Bytes(), slow.Bytes()) {
		t.Fatalf("%q:\nwith kernel %q\n   without %q", elements, fast.Bytes(), slow.Bytes())
	}
}

// Every byte at every place, for every level.
func TestJoinEveryByte(t *testing.T) {
	for _, level := range []Level{LevelA, LevelB, LevelC, LevelW, LevelAny} {
		for _, seps := range []Separators{DefaultSeparators(), {'*', '|', '.', '!', ' ', '~'}} {
			var fast, slow bytes.Buffer
			o := WriterOptions{Level: level, Separators: seps}
			f, s := NewWriter(&fast, o), NewWriter(&slow, o)
			s.join = nil
			for c := range 256 {
				for at := range 20 {
					v := strings.Repeat("A", at) + string([]byte{byte(c)}) + "B"
					err, want := f.Segment("TXT", C(v)), s.Segment("TXT", C(v))
					if (err == nil) != (want == nil) || err != nil && err.Error() != want.Error() {
						t.Fatalf("%v, %q: with kernel %v, without %v", level, v, err, want)
					}
				}
			}
			if err := errors.Join(f.Flush(), s.Flush()); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(fast.Bytes(), slow.Bytes()) {
				t.Fatalf("%v: the kernel writes otherwise", level)
			}
		}
	}
}

// Segments that come to an end of the buffer at every place.
func TestJoinAtTheEndOfTheBuffer(t *testing.T) {
	v := strings.Repeat("y", 50)
	for n := flushAt - 200; n < flushAt; n++ {
		var fast, slow bytes.Buffer
		f, s := NewWriter(&fast, WriterOptions{Newline: "\r\n"}), NewWriter(&slow, WriterOptions{Newline: "\r\n"})
		s.join = nil
		first, long := strings.Repeat("x", n), strings.Repeat("z", flushAt/4-100)
		for _, w := range []*Writer{f, s} {
			if err := errors.Join(w.Segment("ABC", C(first)), w.Segment("DEF", C(long), C(v, v), C(v)), w.Segment("GHI", C("1")), w.Flush()); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(fast.Bytes(), slow.Bytes()) {
			t.Fatalf("%d bytes before: the kernel writes otherwise", n)
		}
	}
}
