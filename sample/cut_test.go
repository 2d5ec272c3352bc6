package sample_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"

	"gateway301/sample"
)

// serve accepts n connections, one after the other, and tells what it read.
func serve(l net.Listener, n int) <-chan error {
	ends := make(chan error, n)
	go func() {
		for range n {
			c, err := l.Accept()
			if err != nil {
				ends <- err
				continue
			}
			_, err = io.Copy(io.Discard, c)
			c.Close()
			ends <- err
		}
	}()
	return ends
}

func TestCutListener(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	l := sample.CutListener(inner, 1000)
	sizes := []int{1000, 5000, 5000, 100_000} // the second one is cut, and only that
	ends := serve(l, len(sizes))
	for i, size := range sizes {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Write(bytes.Repeat([]byte("x"), size))
		c.Close()
		if end := <-ends; errors.Is(end, sample.ErrCut) != (i == 1) || i != 1 && (end != nil || err != nil) {
			t.Errorf("connection %d: written %v, read %v", i, err, end)
		}
	}
}

// The client of the cut line sees it break.
func TestCutListenerClosesTheLine(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	l := sample.CutListener(inner, 10)
	ends := serve(l, 1)
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write(make([]byte, 11)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("the line still stands")
	}
	if end := <-ends; !errors.Is(end, sample.ErrCut) {
		t.Error(end)
	}
}

// A listener that ends is passed on.
func TestCutListenerEnds(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := sample.CutListener(inner, 10)
	l.Close()
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}
