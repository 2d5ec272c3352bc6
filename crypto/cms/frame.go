package cms

import "encoding/binary"

// Identifier octets used by the profile.
const (
	tagInteger     = 0x02
	tagOctets      = 0x04
	tagOID         = 0x06
	tagUTCTime     = 0x17
	tagGeneralized = 0x18
	tagSequence    = 0x30
	tagSet         = 0x31
	tagContext0    = 0xa0 // [0], constructed
	tagContext0Raw = 0x80 // [0], primitive
	tagContext1    = 0xa1 // [1], constructed
	constructed    = 0x20
)

// Contents octets of the object identifiers of the profile.
const (
	oidData          = "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01" // 1.2.840.113549.1.7.1
	oidSignedData    = "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02" // 1.2.840.113549.1.7.2
	oidEnvelopedData = "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03" // 1.2.840.113549.1.7.3
	oidContentType   = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x03" // 1.2.840.113549.1.9.3
	oidMessageDigest = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x04" // 1.2.840.113549.1.9.4
	oidSigningTime   = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x05" // 1.2.840.113549.1.9.5
	oidAlgProtection = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x34" // 1.2.840.113549.1.9.52
	oidAES256CBC     = "\x60\x86\x48\x01\x65\x03\x04\x01\x2a" // 2.16.840.1.101.3.4.1.42
)

// Whole elements that never change.
const (
	derVersion0      = "\x02\x01\x00"
	derVersion1      = "\x02\x01\x01"
	derData          = "\x06\x09" + oidData
	derSignedData    = "\x06\x09" + oidSignedData
	derEnvelopedData = "\x06\x09" + oidEnvelopedData
)

// appendHeader appends the identifier octet and the shortest form of length n.
func appendHeader(dst []byte, tag byte, n int64) []byte {
	dst = append(dst, tag)
	if n < 0x80 {
		return append(dst, byte(n))
	}
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(n))
	i := 0
	for b[i] == 0 {
		i++
	}
	dst = append(dst, 0x80|byte(8-i))
	return append(dst, b[i:]...)
}

// headerLen is the number of bytes that appendHeader appends.
func headerLen(n int64) int64 {
	l := int64(2)
	if n >= 0x80 {
		for ; n > 0; n >>= 8 {
			l++
		}
	}
	return l
}

// element returns one DER element around the parts.
func element(tag byte, parts ...[]byte) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	e := appendHeader(make([]byte, 0, n+6), tag, int64(n))
	for _, p := range parts {
		e = append(e, p...)
	}
	return e
}

// A layer is one container on the way down to the payload: what stands in it
// before the next layer, and after.
//
//	layers[0]  tag len before ┐                      ┌ after
//	layers[1]                 tag len before ┐ ┌ after
//	layers[2]                                tag len payload
type layer struct {
	tag           byte
	before, after []byte
}

// A frame is the nest of containers around one payload, outermost first. The
// innermost is an octet string.
type frame []layer

// size returns the number of bytes of the whole frame around a payload of n
// bytes, in definite form.
func (f frame) size(n int64) int64 {
	for i := len(f) - 1; i >= 0; i-- {
		n += int64(len(f[i].before) + len(f[i].after))
		n += headerLen(n)
	}
	return n
}

// head returns everything before the payload: in definite form for n bytes of
// payload, in indefinite form if n is negative. In the latter the payload
// follows as a sequence of octet strings.
func (f frame) head(n int64) []byte {
	var out []byte
	for i, l := range f {
		if n < 0 {
			out = append(out, l.tag|constructed, 0x80)
		} else {
			out = appendHeader(out, l.tag, f[i+1:].size(n)+int64(len(l.before)+len(l.after)))
		}
		out = append(out, l.before...)
	}
	return out
}

// tail returns everything after the payload.
func (f frame) tail(indefinite bool) []byte {
	var out []byte
	for i := len(f) - 1; i >= 0; i-- {
		out = append(out, f[i].after...)
		if indefinite {
			out = append(out, 0, 0)
		}
	}
	return out
}
