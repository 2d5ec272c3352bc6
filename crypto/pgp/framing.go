package pgp

import "io"

// A framing follows the headers of the outer packets as they pass (RFC 9580,
// 4.2). The library takes what there is when the last packet announces more than
// comes, because the encrypted data have an end of their own; here the two ends
// have to be the same.
//
//	tag  length  body …             new form, or old
//	tag  partial piece … length piece   new form alone: 2^n bytes, the last piece as above
type framing struct {
	r    io.Reader
	left int64 // of the body or piece that is passing
	part bool  // another length follows the piece
	open bool  // of old form without a length: up to the end
	head []byte
}

func (f *framing) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	for rest := p[:n]; len(rest) > 0 && !f.open; {
		if f.left > 0 {
			k := min(int64(len(rest)), f.left)
			f.left -= k
			rest = rest[k:]
			continue
		}
		f.head = append(f.head, rest[0])
		rest = rest[1:]
		f.header()
	}
	return n, err
}

// header looks whether the bytes of head are all of a header, and goes into the body.
func (f *framing) header() {
	length := f.head
	if !f.part {
		if length = f.head[1:]; f.head[0]&0x40 == 0 {
			f.old(length)
			return
		}
	}
	switch {
	case len(length) == 0:
	case length[0] < 192:
		f.enter(int64(length[0]), false)
	case length[0] < 224:
		if len(length) == 2 {
			f.enter(int64(length[0]-192)<<8+int64(length[1])+192, false)
		}
	case length[0] < 255:
		f.enter(1<<(length[0]&0x1f), true)
	case len(length) == 5:
		f.enter(number(length[1:]), false)
	}
}

// old reads the length of a packet in old form: 1, 2 or 4 bytes, or none.
func (f *framing) old(length []byte) {
	switch kind := f.head[0] & 3; {
	case kind == 3:
		f.open = true
		f.enter(0, false)
	case len(length) == 1<<kind:
		f.enter(number(length), false)
	}
}

func (f *framing) enter(n int64, part bool) { f.left, f.part, f.head = n, part, f.head[:0] }

func number(b []byte) (n int64) {
	for _, c := range b {
		n = n<<8 | int64(c)
	}
	return n
}

// whole reports whether all that passed is whole packets.
func (f *framing) whole() bool { return f.left == 0 && !f.part && len(f.head) == 0 }
