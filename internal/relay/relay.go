package relay

import (
	"io"
	"net"
	"sync"
	"time"
)

// A Direction of travel, seen from the client.
type Direction int

const (
	Up   Direction = iota // from the client to the target
	Down                  // from the target to the client
)

// A Relay listens on a loopback port and passes connections on to its target.
type Relay struct {
	target   string
	listener net.Listener

	mu        sync.Mutex
	thawed    *sync.Cond
	latency   time.Duration
	bandwidth int64
	cut       [2]int64 // bytes, -1 is never
	frozen    bool
	closed    bool
	conns     map[net.Conn]struct{}
	carried   [2]int64
	running   sync.WaitGroup
}

// Listen starts a relay to target, which is host:port. Close it.
func Listen(target string) (*Relay, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &Relay{target: target, listener: listener, cut: [2]int64{-1, -1}, conns: map[net.Conn]struct{}{}}
	r.thawed = sync.NewCond(&r.mu)
	r.running.Go(r.accept)
	return r, nil
}

// Address is where clients connect, host:port.
func (r *Relay) Address() string { return r.listener.Addr().String() }

// SetLatency delays every byte by d in each direction, so that a round trip
// takes 2d longer. Zero is none.
func (r *Relay) SetLatency(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.latency = d
}

// SetBandwidth limits each direction of each connection to so many bytes a
// second. Zero is no limit.
func (r *Relay) SetBandwidth(bytesPerSecond int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bandwidth = bytesPerSecond
}

// CutAfter resets every connection once n bytes have passed in the direction,
// counted from the start of that connection. A negative n lifts the cut.
func (r *Relay) CutAfter(d Direction, n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cut[d] = max(n, -1)
}

// Freeze stops all bytes and closes nothing: a firewall that forgot us.
func (r *Relay) Freeze() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.frozen = true
}

// Thaw lets the bytes pass again, also those that were held.
func (r *Relay) Thaw() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.frozen = false
	r.thawed.Broadcast()
}

// Carried is the number of bytes passed in a direction by all connections.
func (r *Relay) Carried(d Direction) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.carried[d]
}

// CutAll resets every connection now. New ones are accepted.
func (r *Relay) CutAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.conns {
		reset(c)
	}
}

// Close ends the relay and all its connections, and waits for them.
func (r *Relay) Close() error {
	r.mu.Lock()
	r.closed = true
	r.thawed.Broadcast()
	for c := range r.conns {
		reset(c)
	}
	r.mu.Unlock()
	err := r.listener.Close()
	r.running.Wait()
	return err
}

func (r *Relay) accept() {
	for {
		client, err := r.listener.Accept()
		if err != nil {
			return
		}
		r.running.Go(func() { r.carry(client) })
	}
}

// carry connects a client with the target until either side ends.
func (r *Relay) carry(client net.Conn) {
	defer client.Close()
	target, err := net.Dial("tcp", r.target)
	if err != nil {
		return
	}
	defer target.Close()
	if !r.enter(client, target) {
		return
	}
	defer r.leave(client, target)

	var both sync.WaitGroup
	both.Go(func() { r.pass(target, client, Up) })
	both.Go(func() { r.pass(client, target, Down) })
	both.Wait()
}

func (r *Relay) enter(a, b net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	r.conns[a], r.conns[b] = struct{}{}, struct{}{}
	return true
}

func (r *Relay) leave(a, b net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, a)
	delete(r.conns, b)
}

// A piece is what was read at once, and when it may be passed on.
type piece struct {
	b   []byte
	due time.Time
}

// pass moves bytes from src to dst. Reading and writing are apart, so that a
// latency delays bytes without making fewer of them pass.
func (r *Relay) pass(dst, src net.Conn, d Direction) {
	pieces := make(chan piece, 4096)
	go func() {
		defer close(pieces)
		for {
			b := make([]byte, 16<<10)
			n, err := src.Read(b)
			if n > 0 {
				r.mu.Lock()
				due := time.Now().Add(r.latency)
				r.mu.Unlock()
				pieces <- piece{b[:n], due}
			}
			if err != nil {
				return
			}
		}
	}()
	broken := true
	defer func() {
		if broken {
			reset(src)
			reset(dst)
		}
		for range pieces { // let the reader end
		}
	}()

	var passed int64
	free := time.Now() // when the line is free for the next piece
	for p := range pieces {
		b, last := r.admit(p.b, passed, d)
		due := p.due
		if free.After(due) {
			due = free
		}
		if wait := time.Until(due); wait > 0 {
			<-time.After(wait)
		}
		if !r.waitThawed() {
			return
		}
		free = r.nextFree(due, len(b))
		n, err := dst.Write(b)
		passed += int64(n)
		r.count(d, n)
		if last || err != nil {
			return
		}
	}
	broken = false
	closeWrite(dst) // the end of src passes on as an end
}

// admit returns what a cut leaves of b after passed bytes, and whether it falls here.
func (r *Relay) admit(b []byte, passed int64, d Direction) (rest []byte, last bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if cut := r.cut[d]; cut >= 0 && passed+int64(len(b)) >= cut {
		return b[:max(0, cut-passed)], true
	}
	return b, false
}

// waitThawed returns when bytes may pass, or false once the relay is closed.
func (r *Relay) waitThawed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.frozen && !r.closed {
		r.thawed.Wait()
	}
	return !r.closed
}

func (r *Relay) nextFree(start time.Time, n int) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.bandwidth == 0 {
		return time.Time{}
	}
	return start.Add(time.Duration(int64(n) * int64(time.Second) / r.bandwidth))
}

func (r *Relay) count(d Direction, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.carried[d] += int64(n)
}

// reset closes a connection without a farewell: what was not sent is lost and the
// other side sees a reset.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	c.Close()
}

func closeWrite(c net.Conn) {
	if half, ok := c.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		return
	}
	c.Close()
}

var _ io.Closer = (*Relay)(nil)
