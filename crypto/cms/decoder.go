package cms

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
)

// Limits of what is read besides the payload.
const (
	maxDepth     = 24       // containers open at once, chopped octet strings included
	maxElement   = 64 << 10 // bytes of a certificate or SignerInfo
	maxRecipient = 16 << 10 // bytes of one RecipientInfo
	maxMembers   = 64       // recipients or certificates
)

// A container is an element that has been entered.
type container struct {
	end        int64 // offset at which it, or the nearest definite one around it, ends
	indefinite bool  // ends with an end-of-contents mark, at or before end
}

// A decoder walks through BER (X.690, 8) from front to back. Containers may
// have indefinite length; everything that is taken as a whole is DER.
type decoder struct {
	src   *bufio.Reader
	layer Layer
	off   int64
	open  []container
	outer container
}

func newDecoder(src io.Reader, l Layer) *decoder {
	return &decoder{src: bufio.NewReaderSize(src, 32<<10), layer: l, outer: container{end: math.MaxInt64}}
}

// fault reports that the message is wrong at the present offset.
func (d *decoder) fault(err error) error {
	return &FormatError{Layer: d.layer, Offset: d.off, Err: err}
}

func (d *decoder) faultf(kind error, format string, args ...any) error {
	return d.fault(fmt.Errorf("%w: "+format, append([]any{kind}, args...)...))
}

// ended turns the end of the source into a fault, and leaves its other errors
// alone: a broken disk is not a broken message.
func (d *decoder) ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return d.fault(ErrTruncated)
	}
	return err
}

// inner returns the container that we are in.
func (d *decoder) inner() container {
	if len(d.open) == 0 {
		return d.outer
	}
	return d.open[len(d.open)-1]
}

func (d *decoder) byte() (byte, error) {
	if d.off >= d.inner().end {
		return 0, d.faultf(ErrEncoding, "element crosses the end of its container")
	}
	b, err := d.src.ReadByte()
	if err != nil {
		return 0, d.ended(err)
	}
	d.off++
	return b, nil
}

// header reads identifier and length. The length is -1 for indefinite form;
// otherwise the contents lie within the container.
func (d *decoder) header() (tag byte, n int64, err error) {
	if tag, err = d.byte(); err != nil {
		return 0, 0, err
	}
	if tag&0x1f == 0x1f {
		return 0, 0, d.faultf(ErrProfile, "tag number above 30")
	}
	first, err := d.byte()
	if err != nil {
		return 0, 0, err
	}
	switch {
	case first < 0x80:
		n = int64(first)
	case first == 0x80:
		if tag&constructed == 0 {
			return 0, 0, d.faultf(ErrEncoding, "primitive element of indefinite length")
		}
		return tag, -1, nil
	case first > 0x88:
		return 0, 0, d.faultf(ErrTooLarge, "length of %d bytes", first&0x7f)
	default:
		var u uint64
		for range first & 0x7f {
			b, err := d.byte()
			if err != nil {
				return 0, 0, err
			}
			u = u<<8 | uint64(b)
		}
		if u > math.MaxInt64 {
			return 0, 0, d.faultf(ErrTooLarge, "length of %d", u)
		}
		n = int64(u)
	}
	if n > d.inner().end-d.off {
		return 0, 0, d.faultf(ErrEncoding, "element crosses the end of its container")
	}
	return tag, n, nil
}

// push enters a container whose header has been read.
func (d *decoder) push(n int64) error {
	if len(d.open) == maxDepth {
		return d.faultf(ErrTooLarge, "nested more than %d deep", maxDepth)
	}
	c := container{end: d.inner().end, indefinite: n < 0}
	if n >= 0 {
		c.end = d.off + n
	}
	d.open = append(d.open, c)
	return nil
}

// enter reads the header of a constructed element and goes inside.
func (d *decoder) enter(want byte, what string) error {
	tag, n, err := d.header()
	if err != nil {
		return err
	}
	if tag != want {
		return d.faultf(ErrProfile, "%s: tag %#02x, not %#02x", what, tag, want)
	}
	return d.push(n)
}

// peek returns the identifier of the next element in this container, or false
// at its end.
func (d *decoder) peek() (tag byte, more bool, err error) {
	c := d.inner()
	if d.off == c.end {
		if c.indefinite {
			return 0, false, d.faultf(ErrEncoding, "no end-of-contents mark")
		}
		return 0, false, nil
	}
	b, err := d.src.Peek(1)
	if err != nil {
		return 0, false, d.ended(err)
	}
	// A tag of 0 is end-of-contents in an indefinite container; elsewhere
	// header's caller will not find it in the profile.
	return b[0], !c.indefinite || b[0] != 0, nil
}

// leave goes out of the container, of which nothing may be left.
func (d *decoder) leave() error {
	_, more, err := d.peek()
	if err != nil {
		return err
	}
	if more {
		return d.faultf(ErrProfile, "unexpected element")
	}
	c := d.inner()
	if c.indefinite {
		for range 2 {
			b, err := d.byte()
			if err != nil {
				return err
			}
			if b != 0 {
				return d.faultf(ErrEncoding, "end-of-contents mark with contents")
			}
		}
	}
	d.open = d.open[:len(d.open)-1]
	return nil
}

// leaveAll goes out of every container and demands the end of the source.
func (d *decoder) leaveAll() error {
	for len(d.open) > 0 {
		if err := d.leave(); err != nil {
			return err
		}
	}
	switch _, err := d.src.Peek(1); {
	case err == nil:
		return d.fault(ErrTrailing)
	case errors.Is(err, io.EOF):
		return nil
	default:
		return err
	}
}

// element reads one whole element of definite length and returns it with its
// header in shortest form. It is not larger than limit.
func (d *decoder) element(want byte, limit int64, what string) ([]byte, error) {
	tag, n, err := d.header()
	if err != nil {
		return nil, err
	}
	switch {
	case tag != want:
		return nil, d.faultf(ErrProfile, "%s: tag %#02x, not %#02x", what, tag, want)
	case n < 0:
		return nil, d.faultf(ErrEncoding, "%s: not DER", what)
	case n > limit:
		return nil, d.faultf(ErrTooLarge, "%s: %d bytes", what, n)
	}
	e := appendHeader(make([]byte, 0, n+6), tag, n)
	head := len(e)
	e = e[:head+int(n)]
	if _, err := io.ReadFull(d.src, e[head:]); err != nil {
		return nil, d.ended(err)
	}
	d.off += n
	return e, nil
}

// constant reads one element and compares it with the only one allowed.
func (d *decoder) constant(want, what string) error {
	got, err := d.element(want[0], 64, what)
	if err != nil {
		return err
	}
	if string(got) != want {
		return d.faultf(ErrProfile, "%s: %x, not %x", what, got, want)
	}
	return nil
}

// octets starts an octet string whose identifier is tag, or tag constructed
// from pieces. The string has to be read to io.EOF before going on.
func (d *decoder) octets(tag byte, what string) (*octets, error) {
	got, n, err := d.header()
	if err != nil {
		return nil, err
	}
	o := &octets{d: d, base: len(d.open)}
	switch got {
	case tag:
		o.left = n
	case tag | constructed:
		if err := d.push(n); err != nil {
			return nil, err
		}
	default:
		return nil, d.faultf(ErrProfile, "%s: tag %#02x, not %#02x", what, got, tag)
	}
	return o, nil
}

// octets reads the contents of an octet string, however it is chopped up.
type octets struct {
	d    *decoder
	left int64 // in the present primitive piece
	base int   // containers open outside the string

	pieces int64 // primitive pieces met so far, of a chopped string
}

func (o *octets) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for o.left == 0 {
		if len(o.d.open) == o.base {
			return 0, io.EOF
		}
		if err := o.advance(); err != nil {
			return 0, err
		}
	}
	n, err := o.d.src.Read(p[:min(int64(len(p)), o.left)])
	o.d.off += int64(n)
	o.left -= int64(n)
	if n > 0 {
		return n, nil // the error, if any, comes again
	}
	return 0, o.d.ended(err)
}

// advance goes to the next piece, or out of a container that has no more.
func (o *octets) advance() error {
	_, more, err := o.d.peek()
	if err != nil {
		return err
	}
	if !more {
		return o.d.leave()
	}
	tag, n, err := o.d.header()
	if err != nil {
		return err
	}
	switch tag {
	case tagOctets:
		o.left = n
		o.pieces++
		return nil
	case tagOctets | constructed:
		return o.d.push(n)
	}
	return o.d.faultf(ErrProfile, "piece of an octet string: tag %#02x", tag)
}
