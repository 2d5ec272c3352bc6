package pgp

import (
	"hash"
	"io"
)

// A meter counts and hashes what passes, and keeps the first error, so that one
// of the disk or line is told from one of the message.
type meter struct {
	r   io.Reader
	w   io.Writer
	h   hash.Hash // nil: counts alone
	n   int64
	err error
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.passed(p[:n])
	if err != nil && err != io.EOF && m.err == nil {
		m.err = err
	}
	return n, err
}

func (m *meter) Write(p []byte) (int, error) {
	n, err := m.w.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	m.passed(p[:n])
	if err != nil && m.err == nil {
		m.err = err
	}
	return n, err
}

func (m *meter) passed(p []byte) {
	m.n += int64(len(p))
	if m.h != nil {
		m.h.Write(p)
	}
}

// or returns the error of disk or line if there was one, else err.
func (m *meter) or(err error) error {
	if m.err != nil {
		return m.err
	}
	return err
}
