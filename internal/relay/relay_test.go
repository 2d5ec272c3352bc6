package relay_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"gateway301/internal/relay"
)

// echo answers every connection with its own bytes.
func echo(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				io.Copy(c, c)
			}()
		}
	}()
	return listener.Addr().String()
}

func start(t *testing.T) *relay.Relay {
	t.Helper()
	r, err := relay.Listen(echo(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func dial(t *testing.T, r *relay.Relay) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", r.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

func TestPassesAll(t *testing.T) {
	r := start(t)
	c := dial(t, r)
	sent := bytes.Repeat([]byte("301"), 100_000)
	go func() {
		c.Write(sent)
		c.CloseWrite()
	}()
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, sent) {
		t.Fatalf("got %d bytes, %v, want %d unchanged", len(got), err, len(sent))
	}
	if up, down := r.Carried(relay.Up), r.Carried(relay.Down); up != 300_000 || down != 300_000 {
		t.Errorf("carried %d up, %d down, want 300000 each", up, down)
	}
}

func TestCutIsExact(t *testing.T) {
	for _, n := range []int64{0, 1, 999, 16384, 70_001} {
		r := start(t)
		r.CutAfter(relay.Down, n)
		c := dial(t, r)
		go c.Write(make([]byte, 100_000))
		got, err := io.Copy(io.Discard, c)
		// A reset may overtake what was sent last, never add to it.
		if err == nil || got > n || r.Carried(relay.Down) != n {
			t.Errorf("cut at %d: read %d, %v, carried %d", n, got, err, r.Carried(relay.Down))
		}
		r.CutAfter(relay.Down, -1)
		whole := dial(t, r)
		whole.Write([]byte("again"))
		if _, err := io.ReadFull(whole, make([]byte, 5)); err != nil {
			t.Errorf("after the cut at %d was lifted: %v", n, err)
		}
	}
}

func TestFreezeHoldsAndThawReleases(t *testing.T) {
	r := start(t)
	c := dial(t, r)
	r.Freeze()
	c.Write([]byte("x"))
	c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("frozen: read = %v, want a timeout", err)
	}
	r.Thaw()
	c.SetReadDeadline(time.Time{})
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Fatalf("thawed: %v", err)
	}
}

func TestLatencyAndBandwidth(t *testing.T) {
	r := start(t)
	r.SetLatency(30 * time.Millisecond)
	c := dial(t, r)
	begin := time.Now()
	c.Write([]byte("x"))
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took < 60*time.Millisecond {
		t.Errorf("round trip took %v, want at least 60ms", took)
	}
	r.SetLatency(0)
	r.SetBandwidth(1 << 20)
	begin = time.Now()
	go c.Write(make([]byte, 256<<10))
	if _, err := io.ReadFull(c, make([]byte, 256<<10)); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took < 200*time.Millisecond {
		t.Errorf("256 KiB at 1 MiB/s took %v, want about 250ms", took)
	}
}

func TestCutAll(t *testing.T) {
	r := start(t)
	c := dial(t, r)
	c.Write([]byte("x"))
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	r.CutAll()
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Fatal("the connection survived CutAll")
	}
}
