package folder

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"gateway301/channels"
)

// A call that hangs is left behind: its caller hears of it, no other call joins
// it, and when it wakes up after all it does nothing any more.
func TestCallThatHangs(t *testing.T) {
	for what, test := range map[string]struct {
		cancel    bool
		published bool
		want      error
	}{
		"stalled":                  {false, false, channels.ErrLine},
		"stalled while renaming":   {false, true, channels.ErrUnknown},
		"cancelled":                {true, false, context.Canceled},
		"cancelled while renaming": {true, true, channels.ErrUnknown},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, err := New(Settings{OutDir: "a", InDir: "b", Stall: time.Minute})
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				wake := make(chan struct{})
				var late error
				var heard bytes.Buffer
				if test.cancel {
					time.AfterFunc(time.Second, cancel)
				}
				_, err = do(ctx, c, func(k *call) (int, error) {
					if test.published {
						k.publish()
					}
					time.Sleep(time.Second)
					k.moved()
					<-wake
					_, writing := (&sink{k: k, w: &heard}).Write([]byte("too late"))
					late = errors.Join(k.publish(), writing)
					return 1, nil
				})
				if !errors.Is(err, test.want) || errors.Is(err, channels.ErrUnknown) != test.published {
					t.Errorf("do = %v, want %v", err, test.want)
				}
				if _, err := do(t.Context(), c, func(*call) (int, error) { return 1, nil }); !errors.Is(err, errHangs) || !errors.Is(err, channels.ErrLine) {
					t.Errorf("beside one that hangs: %v", err)
				}
				close(wake)
				synctest.Wait()
				if !errors.Is(late, errAbandoned) || heard.Len() > 0 {
					t.Errorf("woken up: %v, %q", late, heard.Bytes())
				}
				if n, err := do(t.Context(), c, func(*call) (int, error) { return 1, nil }); n != 1 || err != nil {
					t.Errorf("afterwards: %d, %v", n, err)
				}
			})
		})
	}
}

// A file that is changed while it is read, to the same size, is no file.
func TestChangedWhileRead(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "EKRH0001")
	if err := os.WriteFile(path, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := New(Settings{OutDir: dir, InDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Get(t.Context(), channels.Incoming, "EKRH0001", writerFunc(func(p []byte) (int, error) {
		return len(p), errors.Join(os.WriteFile(path, make([]byte, 1<<20), 0o600), os.Chtimes(path, time.Time{}, time.Now().Add(time.Hour)))
	}))
	if !errors.Is(err, channels.ErrSize) {
		t.Errorf("Get = %v, want ErrSize", err)
	}
}

type writerFunc func([]byte) (int, error)

func (w writerFunc) Write(p []byte) (int, error) { return w(p) }
