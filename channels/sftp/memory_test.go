package sftp_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

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

// A listing of 100,000 entries stays small: at most 64 MiB more than that of an
// empty folder, at its worst moment.
func TestLongListing(t *testing.T) {
	const entries, limit = 100_000, 64 << 20
	server := channeltest.StartSSHD(t)
	c := open(t, settings(server))
	watch := func(side channels.Side) (n int, peak uint64) {
		done, seen := make(chan struct{}), make(chan uint64)
		runtime.GC()
		go func() {
			var most uint64
			var stats runtime.MemStats
			tick := time.NewTicker(5 * time.Millisecond)
			defer tick.Stop()
			for {
				runtime.ReadMemStats(&stats)
				most = max(most, stats.HeapInuse)
				select {
				case <-done:
					seen <- most
					return
				case <-tick.C:
				}
			}
		}()
		files, _, err := c.List(t.Context(), side)
		if err != nil {
			t.Fatal(err)
		}
		close(done)
		return len(files), <-seen
	}
	_, before := watch(channels.Outgoing)
	for i := range entries {
		if err := os.WriteFile(filepath.Join(server.Root, "out", fmt.Sprintf("EKRH%06d.AUF", i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	n, peak := watch(channels.Incoming)
	if n != entries {
		t.Errorf("%d entries, want %d", n, entries)
	}
	grown := int64(peak) - int64(before)
	if grown > limit {
		t.Errorf("the listing grew the heap by %d KiB, want at most %d", grown>>10, limit>>10)
	}
	t.Logf("%d entries: heap in use grew by %d KiB", n, grown>>10)
}
