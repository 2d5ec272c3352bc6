package dropserver

import (
	"encoding/binary"
	"io"
	"sync"
)

// Packet types of requests that yield a handle (draft section 3).
const (
	fxpOpen    = 3
	fxpOpendir = 11
)

// turns is an SFTP stream on which no request overtakes an open: what follows one
// is read only when the open has been answered. An honest client waits for the
// handle anyway. One that guesses it would reach a request that the library's
// server is still filling in (a data race on sftp.Request.Method, which can crash
// the process).
//
// Requests and answers are counted; every request has just one answer, and they
// come in order.
type turns struct {
	stream io.ReadWriteCloser

	// of the reading side
	head []byte // of the present packet, not yet handed on
	left int64  // bytes of the present packet after head
	held bool   // the next packet waits for all answers

	// of the writing side
	length []byte // of the present answer, as far as it was written
	rest   int64  // bytes of the present answer after its length

	mu       sync.Mutex
	moved    *sync.Cond
	asked    int64
	answered int64
	released bool
}

func newTurns(stream io.ReadWriteCloser) *turns {
	t := &turns{stream: stream}
	t.moved = sync.NewCond(&t.mu)
	return t
}

// release ends all waiting: the client is gone.
func (t *turns) release() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.released = true
	t.moved.Broadcast()
}

// Close closes the stream.
func (t *turns) Close() error {
	t.release()
	return t.stream.Close()
}

func (t *turns) Read(p []byte) (int, error) {
	if len(t.head) == 0 && t.left == 0 {
		if err := t.next(); err != nil {
			return 0, err
		}
	}
	if len(t.head) > 0 {
		n := copy(p, t.head)
		t.head = t.head[n:]
		return n, nil
	}
	n, err := t.stream.Read(p[:min(int64(len(p)), t.left)])
	t.left -= int64(n)
	return n, err
}

// next reads length and type of a packet, once it is its turn.
func (t *turns) next() error {
	if t.held {
		t.await()
	}
	head := make([]byte, 5)
	n, err := io.ReadFull(t.stream, head)
	if n == 0 {
		return err
	}
	t.head = head[:n]
	if n < len(head) {
		return nil // the library will find that the packet is cut
	}
	// A length that makes no sense is the library's to refuse; the stream ends there.
	t.left = max(int64(binary.BigEndian.Uint32(head))-1, 0)
	t.held = head[4] == fxpOpen || head[4] == fxpOpendir
	t.mu.Lock()
	defer t.mu.Unlock()
	t.asked++
	return nil
}

func (t *turns) await() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.answered < t.asked && !t.released {
		t.moved.Wait()
	}
}

func (t *turns) Write(p []byte) (int, error) {
	n, err := t.stream.Write(p)
	t.count(p[:n])
	if err != nil {
		t.release()
	}
	return n, err
}

// count follows the answers as they are written, in whatever pieces.
func (t *turns) count(p []byte) {
	for len(p) > 0 {
		if t.rest == 0 {
			n := min(4-len(t.length), len(p))
			t.length = append(t.length, p[:n]...)
			p = p[n:]
			if len(t.length) < 4 {
				return
			}
			t.rest = int64(binary.BigEndian.Uint32(t.length))
			t.length = t.length[:0]
		}
		n := min(t.rest, int64(len(p)))
		p = p[n:]
		if t.rest -= n; t.rest == 0 {
			t.mu.Lock()
			t.answered++
			t.moved.Broadcast()
			t.mu.Unlock()
		}
	}
}
