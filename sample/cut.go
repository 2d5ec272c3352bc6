package sample

import (
	"errors"
	"net"
	"sync/atomic"
)

// ErrCut is what the server reads from a connection that [CutListener] has cut.
var ErrCut = errors.New("connection cut on purpose")

// CutListener breaks one line on purpose, so that a retry can be seen: the first
// connection on which the server has read more than n bytes is closed, once. All
// others, before and after, are left alone.
func CutListener(l net.Listener, n int64) net.Listener {
	return &cutListener{Listener: l, after: n}
}

type cutListener struct {
	net.Listener
	after int64
	cut   atomic.Bool
}

// Accept waits for the next connection.
func (l *cutListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil || l.cut.Load() {
		return c, err
	}
	return &cutConn{Conn: c, listener: l}, nil
}

// A cutConn counts what is read from it. Read is called by one goroutine at a time.
type cutConn struct {
	net.Conn
	listener *cutListener
	read     int64
}

func (c *cutConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read += int64(n)
	if c.read > c.listener.after && c.listener.cut.CompareAndSwap(false, true) {
		return 0, errors.Join(ErrCut, c.Close())
	}
	return n, err
}
