package sftp_test

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"gateway301/channels"
	"gateway301/channels/channeltest"
)

// Each fault that a simulated partner knows gives its own verdict, and the next
// attempt ends with one whole file.
func TestSimulatedFaults(t *testing.T) {
	t.Parallel()
	content := channeltest.Content(1, 300_000)
	for fault, want := range map[string]error{
		"cut=100000":       channels.ErrLine,
		"stall=100000":     channels.ErrLine,
		"refuse-rename":    channels.ErrRefused,
		"full-disk=100000": channels.ErrFull,
		"wrong-size:2":     channels.ErrSize,
		"host-key":         channels.ErrHostKey,
		"slow-login=1h":    channels.ErrLine,
	} {
		t.Run(fault, func(t *testing.T) {
			_, set, dir := simulated(t, "strict", fault)
			set.Timeouts.Stall = 300 * time.Millisecond
			set.Timeouts.Dial = 5 * time.Second
			if fault == "slow-login=1h" {
				set.Timeouts.Dial = 500 * time.Millisecond
			}
			c := open(t, set)
			if _, err := put(t, c, content, channels.PutOptions{}); !errors.Is(err, want) {
				t.Errorf("Put = %v, want %v", err, want)
			}
			if fault == "slow-login=1h" {
				return // the next one may need longer than that on a busy machine
			}
			holdsAtMost(t, filepath.Join(dir, "in"))
			if _, err := put(t, c, content, channels.PutOptions{Ours: true}); err != nil {
				t.Errorf("second attempt: %v", err)
			}
			holds(t, filepath.Join(dir, "in"), content)
		})
	}
}

// holdsAtMost checks that no final name is there.
func holdsAtMost(t *testing.T, dir string) {
	t.Helper()
	if found, _ := filepath.Glob(filepath.Join(dir, name)); len(found) > 0 {
		t.Errorf("%q after a failed attempt", found)
	}
}
