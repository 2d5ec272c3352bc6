package sftp_test

import (
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"

	"gateway301/channels"
	"gateway301/channels/channeltest"
)

// A heapGauge is an endless source and sink that watches the heap.
type heapGauge struct {
	calls atomic.Int64
	peak  atomic.Uint64
}

func (g *heapGauge) look() {
	if g.calls.Add(1)%64 == 0 {
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		g.peak.Store(max(g.peak.Load(), stats.HeapAlloc))
	}
}

func (g *heapGauge) ReadAt(b []byte, _ int64) (int, error) { g.look(); return len(b), nil }
func (g *heapGauge) Write(b []byte) (int, error)           { g.look(); return len(b), nil }

// Memory does not grow with the file: 64 MiB pass through far less.
func TestFilesStream(t *testing.T) {
	const size, limit = 64 << 20, 24 << 20
	server := channeltest.StartSSHD(t)
	c := open(t, settings(server))
	if _, _, err := c.List(t.Context(), channels.Incoming); err != nil {
		t.Fatal(err)
	}
	transfer := map[string]func(g *heapGauge) error{
		"put": func(g *heapGauge) error {
			_, err := c.Put(t.Context(), name, g, size, channels.PutOptions{})
			return err
		},
		"get": func(g *heapGauge) error {
			f, err := os.Create(filepath.Join(server.Root, "out", name))
			if err != nil {
				return err
			}
			defer f.Close()
			if err := f.Truncate(size); err != nil {
				return err
			}
			n, err := c.Get(t.Context(), channels.Incoming, name, g)
			if n != size && err == nil {
				err = io.ErrShortWrite
			}
			return err
		},
	}
	for what, run := range transfer {
		var before runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		var g heapGauge
		if err := run(&g); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		grown := int64(g.peak.Load()) - int64(before.HeapAlloc)
		if g.peak.Load() == 0 || grown > limit {
			t.Errorf("%s of %d MiB grew the heap by %d KiB, want at most %d", what, size>>20, grown>>10, limit>>10)
		}
		t.Logf("%s: heap grew by %d KiB", what, grown>>10)
	}
}
