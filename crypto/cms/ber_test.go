package cms

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// chopped encodes p as a constructed octet string: pieces of size bytes, in
// strings nested to the given depth, of indefinite or definite length.
func chopped(tag byte, p []byte, size, depth int, indefinite bool) []byte {
	var pieces []byte
	for c := range slices.Chunk(p, size) {
		piece := element(tagOctets, c)
		for range depth - 1 {
			piece = enclose(tagOctets|constructed, indefinite, piece)
		}
		pieces = append(pieces, piece...)
	}
	return enclose(tag|constructed, indefinite, pieces)
}

func enclose(tag byte, indefinite bool, parts ...[]byte) []byte {
	if !indefinite {
		return element(tag, parts...)
	}
	return slices.Concat([]byte{tag, 0x80}, slices.Concat(parts...), []byte{0, 0})
}

// However the payload is chopped up and the containers are written, the
// message is the same.
func TestBERForms(t *testing.T) {
	cast := everyone()
	plain := pattern(999)
	f := newForgery(t, plain, crypto.SHA256)
	for _, size := range []int{1, 2, 16, 127, 128, 1000, 4096} {
		for depth := 1; depth <= 5; depth += 2 {
			for _, indefinite := range []bool{true, false} {
				t.Run(fmt.Sprintf("size=%d/depth=%d/indefinite=%v", size, depth, indefinite), func(t *testing.T) {
					f.eContent = enclose(tagContext0, indefinite, chopped(tagOctets, plain, size, depth, indefinite))
					inner := f.bytes(t, plain)
					whole := enveloped(t, inner)
					// The same envelope with its payload chopped up as well.
					body := lastElement(t, whole)
					msg := slices.Concat(unhead(t, whole, len(body)), chopped(tagContext0Raw, body, size, depth, indefinite), bytes.Repeat([]byte{0, 0}, 4))
					for name, src := range map[string]io.Reader{"whole": bytes.NewReader(msg), "bytes": iotest.OneByteReader(bytes.NewReader(msg))} {
						var back bytes.Buffer
						_, err := Open(&back, src, OpenOptions{Keys: []Key{cast.insurer.own()}})
						if err != nil || !bytes.Equal(back.Bytes(), plain) {
							t.Errorf("%s: %v", name, cause(err))
						}
					}
				})
			}
		}
	}
}

// lastElement returns the contents of the encrypted octet string, which ends
// the message, given that envelopes of this test put it last.
func lastElement(t *testing.T, msg []byte) []byte {
	t.Helper()
	e := &envelope{d: newDecoder(bytes.NewReader(msg), Enveloped), o: OpenOptions{Keys: []Key{everyone().insurer.own()}}}
	if err := e.header(); err != nil {
		t.Fatal(err)
	}
	return msg[len(msg)-int(e.body.left):]
}

// unhead returns what precedes the encrypted octet string, with every
// container around it in indefinite form.
func unhead(t *testing.T, msg []byte, payload int) []byte {
	t.Helper()
	d := newDecoder(bytes.NewReader(msg), Enveloped)
	var out []byte
	enter := func(tag byte) {
		t.Helper()
		if err := d.enter(tag, "container"); err != nil {
			t.Fatal(err)
		}
		out = append(out, tag, 0x80)
	}
	take := func(tag byte) {
		t.Helper()
		e, err := d.element(tag, 1<<16, "element")
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e...)
	}
	enter(tagSequence)
	take(tagOID)
	enter(tagContext0)
	enter(tagSequence)
	take(tagInteger)
	take(tagSet)
	enter(tagSequence)
	take(tagOID)
	take(tagSequence)
	return out
}

// Each input is cut short or wrong at the mark; the decoder has to say so there
// and allocate nothing for it.
func TestDecoderFaults(t *testing.T) {
	octets := func(d *decoder) error {
		o, err := d.octets(tagOctets, "string")
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, o); err != nil {
			return err
		}
		return d.leaveAll()
	}
	small := func(d *decoder) error {
		_, err := d.element(tagSequence, 100, "element")
		return err
	}
	inside := func(d *decoder) error {
		if err := d.enter(tagSequence, "container"); err != nil {
			return err
		}
		return octets(d)
	}
	deep := bytes.Repeat([]byte{0x24, 0x80}, maxDepth+1)
	for _, c := range []struct {
		name string
		in   string // hexadecimal is avoided: Go escapes, with ‸ before the offset of the fault
		read func(*decoder) error
		want error
	}{
		{"nothing", "‸", octets, ErrTruncated},
		{"identifier alone", "\x04‸", octets, ErrTruncated},
		{"length cut", "\x04\x84\x00\x00‸", octets, ErrTruncated},
		{"contents cut", "\x04\x05abc‸", octets, ErrTruncated},
		{"long length, 9 bytes", "\x04\x89‸\x01\x00\x00\x00\x00\x00\x00\x00\x00", octets, ErrTooLarge},
		{"length 2^63", "\x04\x88\x80\x00\x00\x00\x00\x00\x00\x00‸", octets, ErrTooLarge},
		{"length 2^64-1", "\x04\x88\xff\xff\xff\xff\xff\xff\xff\xff‸", octets, ErrTooLarge},
		{"length 2^63-1", "\x04\x88\x7f\xff\xff\xff\xff\xff\xff\xff‸", octets, ErrEncoding},
		{"ten gigabytes announced", "\x04\x85\x02\x54\x0b\xe4\x00abc‸", octets, ErrTruncated},
		{"ten gigabytes of element", "\x30\x85\x02\x54\x0b\xe4\x00‸", small, ErrTooLarge},
		{"reserved length", "\x04\xff‸", octets, ErrTooLarge},
		{"primitive without length", "\x04\x80‸\x00\x00", octets, ErrEncoding},
		{"element without length", "\x30\x80‸\x00\x00", small, ErrEncoding},
		{"high tag number", "\x1f‸\x01\x00", octets, ErrProfile},
		{"wrong tag", "\x05\x00‸", octets, ErrProfile},
		{"piece of another kind", "\x24\x80\x05\x00‸\x00\x00", octets, ErrProfile},
		{"no end of contents", "\x24\x80\x04\x01a‸", octets, ErrTruncated},
		{"half an end of contents", "\x24\x80\x00‸", octets, ErrTruncated},
		{"end of contents with length", "\x24\x80\x00\x01‸a", octets, ErrEncoding},
		{"end of contents in a definite string", "\x24\x04\x00\x00‸\x00\x00", octets, ErrProfile},
		{"end of contents missing inside", "\x30\x05\x24\x80\x04\x01a‸\x00\x00", inside, ErrEncoding},
		{"piece crosses its string", "\x24\x03\x04\x02‸ab", octets, ErrEncoding},
		{"header crosses its string", "\x24\x01\x04‸\x00", octets, ErrEncoding},
		{"string crosses its container", "\x30\x04\x04\x03‸abc", inside, ErrEncoding},
		{"too deep", string(deep) + "‸", octets, ErrTooLarge},
		{"bytes after", "\x04\x01a‸b", octets, ErrTrailing},
		{"element after", "\x30\x05\x04\x01a‸\x05\x00", inside, ErrProfile},
	} {
		t.Run(c.name, func(t *testing.T) {
			at := strings.Index(c.in, "‸")
			in := strings.Replace(c.in, "‸", "", 1)
			for name, src := range map[string]io.Reader{"whole": strings.NewReader(in), "bytes": iotest.OneByteReader(strings.NewReader(in))} {
				err := c.read(newDecoder(src, Signed))
				fault, ok := errors.AsType[*FormatError](err)
				if !ok || !errors.Is(err, c.want) {
					t.Fatalf("%s: %v, want %v", name, err, c.want)
				}
				if fault.Offset != int64(at) {
					t.Errorf("%s: fault at %d, want %d: %v", name, fault.Offset, at, err)
				}
			}
		})
	}
}

// Lengths beyond 32 bits are lengths like any other.
func TestLargeLengths(t *testing.T) {
	for _, n := range []int64{0, 127, 128, 255, 256, 65535, 65536, 1<<32 - 1, 1 << 32, 1 << 40, 1<<62 + 5} {
		h := appendHeader(nil, tagOctets, n)
		if int64(len(h))-1 != headerLen(n)-1 {
			t.Errorf("%d: header of %d bytes, headerLen says %d", n, len(h), headerLen(n))
		}
		tag, got, err := newDecoder(bytes.NewReader(h), Signed).header()
		if err != nil || tag != tagOctets || got != n {
			t.Errorf("%d: read back as %#x %d, %v", n, tag, got, err)
		}
	}
}
