package annex

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
)

// What [Unpack] and [Pack] refuse.
var (
	ErrKomprimierung = errors.New("compression is not supported")
	ErrUnpackedSize  = errors.New("unpacked payload has not the size that the Auftragsdatei states")
	ErrTooLarge      = errors.New("unpacked payload is larger than allowed")
)

// Pack compresses what is written to it, before signing and sealing (GGT 2,
// KOMPRIMIERUNG 00 or 02). Close ends the compression and leaves w open. The same
// bytes give the same result, so that a retry can be compared.
func Pack(w io.Writer, k Komprimierung) (io.WriteCloser, error) {
	switch k {
	case KomprimierungNone:
		return nopCloser{w}, nil
	case KomprimierungGzip:
		return gzip.NewWriter(w), nil
	}
	return nil, fmt.Errorf("%w: %02d", ErrKomprimierung, int(k))
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// Unpack undoes [Pack]. size is DATEIGRÖSSE_NUTZDATEN; limit is the most that the
// partner may send, 0 for no limit. Reading stops one byte behind the smaller of the
// two, so that a bomb costs no more than an honest file: with [ErrTooLarge], or
// [ErrUnpackedSize] where the file does not have the size that was stated.
func Unpack(r io.Reader, k Komprimierung, size, limit int64) (io.Reader, error) {
	if limit > 0 && size > limit {
		return nil, ErrTooLarge
	}
	switch k {
	case KomprimierungNone:
	case KomprimierungGzip:
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, err
		}
		r = z
	default:
		return nil, fmt.Errorf("%w: %02d", ErrKomprimierung, int(k))
	}
	return &exactly{r: r, left: size}, nil
}

// exactly reads so many bytes, and no more or less.
type exactly struct {
	r    io.Reader
	left int64
	err  error
}

func (e *exactly) Read(p []byte) (int, error) {
	if e.err != nil {
		return 0, e.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	if int64(len(p)) > e.left+1 {
		p = p[:e.left+1]
	}
	n, err := e.r.Read(p)
	switch {
	case int64(n) > e.left:
		n, err = int(e.left), ErrUnpackedSize
	case err == io.EOF && int64(n) < e.left:
		err = ErrUnpackedSize
	}
	e.left -= int64(n)
	e.err = err
	return n, err
}
