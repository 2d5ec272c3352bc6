package sftp_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	pkgsftp "github.com/pkg/sftp"

	"gateway301/channels"
	"gateway301/channels/channeltest"
	"gateway301/channels/sftp"
)

const name = "EKRH0001"

// holds checks that the folder holds just the one file with the content, or nothing.
func holds(t *testing.T, dir string, content []byte) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if content == nil {
		if len(entries) > 0 {
			t.Errorf("partner holds %v, want nothing", entries)
		}
		return
	}
	if len(entries) != 1 || entries[0].Name() != name {
		t.Errorf("partner holds %v, want only %s", entries, name)
	}
	got, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("partner holds %d bytes that differ from the %d sent, %v", len(got), len(content), err)
	}
}

func put(t *testing.T, c *sftp.Channel, content []byte, o channels.PutOptions) (channels.Proof, error) {
	t.Helper()
	return c.Put(t.Context(), name, bytes.NewReader(content), int64(len(content)), o)
}

// What a server that differs from the rule makes of one Put.
func TestOddServers(t *testing.T) {
	t.Parallel()
	type hook = func(op, name string, do func() error) error
	// answer makes some operations fail and leaves the rest alone.
	answer := func(err error, ops ...string) hook {
		return func(op, _ string, do func() error) error {
			if slices.Contains(ops, op) {
				return err
			}
			return do()
		}
	}
	prove := func(level channels.Level) func(*sftp.Settings) {
		return func(s *sftp.Settings) { s.Proof = level }
	}
	unsupported, denied := pkgsftp.ErrSSHFxOpUnsupported, pkgsftp.ErrSSHFxPermissionDenied
	for what, test := range map[string]struct {
		hook   hook
		size   func(name string, size int64) int64
		change func(*sftp.Settings)
		err    error          // what Put must return
		level  channels.Level // or prove
		gone   bool           // the partner has taken the file
	}{
		"is proper":                      {level: channels.Size},
		"is proper and only listed":      {change: prove(channels.Listed), level: channels.Listed},
		"is proper and only believed":    {change: prove(channels.Acknowledged), level: channels.Acknowledged},
		"is proper and read back":        {change: prove(channels.Hash), level: channels.Hash},
		"knows only posix-rename":        {hook: answer(unsupported, "rename"), level: channels.Size},
		"knows no stat":                  {hook: answer(unsupported, "stat"), level: channels.Size},
		"forbids stat":                   {hook: answer(denied, "stat"), level: channels.Size},
		"forbids every look":             {hook: answer(denied, "stat", "list"), err: channels.ErrRefused},
		"forbids every look, as we know": {hook: answer(denied, "stat", "list"), change: prove(channels.Acknowledged), level: channels.Acknowledged},
		"forbids reading back":           {hook: answer(denied, "read"), change: prove(channels.Hash), err: channels.ErrRefused},
		"forbids renaming":               {hook: answer(denied, "rename", "posix-rename"), err: channels.ErrRefused},
		"forbids writing":                {hook: answer(denied, "open"), err: channels.ErrRefused},
		"is full":                        {hook: answer(errors.New("no space left on device"), "write"), err: channels.ErrFull},
		"is full only at the end":        {hook: answer(errors.New("Disk quota exceeded"), "close"), err: channels.ErrFull},
		"forgets what was written":       {hook: answer(nil, "write"), err: channels.ErrSize},
		"confirms a rename undone":       {hook: answer(nil, "rename"), err: channels.ErrRefused},
		"tells another size":             {size: func(_ string, size int64) int64 { return size - 1 }, err: channels.ErrSize},
		"tells another size in the end": {
			size: func(n string, size int64) int64 {
				if n == name {
					return size - 1
				}
				return size
			},
			err: channels.ErrSize,
		},
	} {
		t.Run(what, func(t *testing.T) {
			server := startOdd(t)
			server.set(test.hook)
			server.size = test.size
			set := server.settings(t)
			if test.change != nil {
				test.change(&set)
			}
			content := channeltest.Content(1, 100_000)
			proof, err := put(t, open(t, set), content, channels.PutOptions{})
			if !errors.Is(err, test.err) || proof.Level != test.level {
				t.Errorf("Put = %v %q, %v, want %v, %v", proof.Level, proof.Text, err, test.level, test.err)
			}
			if errors.Is(err, channels.ErrLine) || errors.Is(err, channels.ErrUnknown) {
				t.Errorf("Put = %v: an answer is not a line fault", err)
			}
			if test.err != nil && what != "tells another size in the end" {
				content = nil
			}
			holds(t, server.in(), content)
		})
	}
}

func TestPartnerThatTakesTheFileAtOnce(t *testing.T) {
	server := startOdd(t)
	server.set(func(op, _ string, do func() error) error {
		err := do()
		if op == "rename" && err == nil {
			err = os.Remove(filepath.Join(server.in(), name))
		}
		return err
	})
	proof, err := put(t, open(t, server.settings(t)), []byte("x"), channels.PutOptions{})
	if err != nil || proof.Level != channels.Acknowledged || !strings.Contains(proof.Text, "taken") {
		t.Errorf("Put = %v %q, %v, want it acknowledged", proof.Level, proof.Text, err)
	}
}

func TestContentChangedOnTheWayIsNoticed(t *testing.T) {
	server := startOdd(t)
	server.set(func(op, n string, do func() error) error {
		err := do()
		if op == "close" && err == nil {
			f, openErr := os.OpenFile(filepath.Join(server.in(), n), os.O_WRONLY, 0)
			if openErr != nil {
				return openErr
			}
			defer f.Close()
			_, err = f.WriteAt([]byte{0xff, 0x00, 0xff}, 50_000)
		}
		return err
	})
	set := server.settings(t)
	set.Proof = channels.Hash
	if _, err := put(t, open(t, set), channeltest.Content(1, 100_000), channels.PutOptions{}); !errors.Is(err, channels.ErrRefused) {
		t.Errorf("Put = %v, want ErrRefused", err)
	}
	server.set(nil)
	holds(t, server.in(), nil)
}

// The n-th operation of a Put fails, for every n and in every way. The next
// attempt must end with just one copy, and nothing partial may ever have been
// visible.
func TestEveryOperationFails(t *testing.T) {
	t.Parallel()
	content := channeltest.Content(1, 150_000)
	ways := map[string]func(t *testing.T, op string, do func() error) error{
		"refused":         func(*testing.T, string, func() error) error { return pkgsftp.ErrSSHFxFailure },
		"reset before it": func(*testing.T, string, func() error) error { return errReset },
		"reset after it":  func(_ *testing.T, _ string, do func() error) error { do(); return errReset },
		"stalls": func(t *testing.T, _ string, _ func() error) error {
			<-t.Context().Done()
			return errReset
		},
		"answers wrongly": func(_ *testing.T, op string, _ func() error) error {
			switch op {
			case "open", "stat", "list", "read", "statvfs":
				return os.ErrNotExist
			}
			return nil // it says so, and has done nothing
		},
	}
	kinds := map[string]func(*sftp.Settings){
		"suffix":   func(*sftp.Settings) {},
		"hash":     func(s *sftp.Settings) { s.Proof = channels.Hash },
		"in place": func(s *sftp.Settings) { s.Temporary.Kind = channels.None },
		"posix":    func(s *sftp.Settings) { s.Rename = sftp.RenamePosix },
	}
	for kind, change := range kinds {
		for way, fail := range ways {
			t.Run(kind+"/"+way, func(t *testing.T) {
				if way == "answers wrongly" && kind != "hash" {
					t.Skip("a lie about a write shows only in what is read back")
				}
				server := startOdd(t)
				set := server.settings(t)
				change(&set)
				set.Timeouts.Stall = 5 * time.Second
				if way == "stalls" {
					set.Timeouts.Stall = 150 * time.Millisecond
				}
				for n := 1; ; n++ {
					if failNth(t, server, set, content, n, fail) {
						if n < 8 {
							t.Errorf("only %d operations", n-1)
						}
						t.Logf("%d operations failed, one at a time", n-1)
						return
					}
				}
			})
		}
	}
}

// failNth lets the n-th operation fail, tries again, and tells whether there was none.
func failNth(t *testing.T, server *oddServer, set sftp.Settings, content []byte, n int, fail func(*testing.T, string, func() error) error) (none bool) {
	t.Helper()
	var mu sync.Mutex
	count, failed := 0, ""
	server.set(func(op, _ string, do func() error) error {
		mu.Lock()
		count++
		now := count == n
		if now {
			failed = op
		}
		mu.Unlock()
		if now {
			return fail(t, op, do)
		}
		return do()
	})
	c := open(t, set)
	defer c.Close()
	intended := false
	_, err := put(t, c, content, channels.PutOptions{BeforePublish: func() error { intended = true; return nil }})
	server.set(nil)
	mu.Lock()
	op := failed
	mu.Unlock()

	final, readErr := os.ReadFile(filepath.Join(server.in(), name))
	staged := set.Temporary.Kind != channels.None
	if staged && readErr == nil && !bytes.Equal(final, content) {
		t.Errorf("%d (%s): a partial file is visible", n, op)
	}
	if err == nil && readErr != nil {
		t.Errorf("%d (%s): Put succeeded without a file", n, op)
	}
	if errors.Is(err, channels.ErrUnknown) && !intended {
		t.Errorf("%d (%s): %v before the intent was recorded", n, op, err)
	}
	if readErr == nil && err != nil && !errors.Is(err, channels.ErrUnknown) {
		t.Errorf("%d (%s): a file stands there after %v", n, op, err)
	}
	if _, err := put(t, c, content, channels.PutOptions{Ours: true}); err != nil {
		t.Errorf("%d (%s): second attempt after %v: %v", n, op, intended, err)
	}
	holds(t, server.in(), content)
	if err := os.Remove(filepath.Join(server.in(), name)); err != nil {
		t.Fatal(err)
	}
	return op == ""
}

// The server carries out a rename only after the line broke and the next attempt
// is under way. Writing the temporary file anew would then show a partial file.
func TestLateRename(t *testing.T) {
	server := startOdd(t)
	c := open(t, server.settings(t))
	content := channeltest.Content(1, 100_000)
	release, renamed := make(chan struct{}), make(chan struct{})
	var first sync.Once
	server.set(func(op, _ string, do func() error) error {
		late := false
		if op == "rename" {
			first.Do(func() { late = true })
		}
		if !late {
			return do()
		}
		server.resetAll()
		<-release
		err := do()
		close(renamed)
		return err
	})
	if _, err := put(t, c, content, channels.PutOptions{}); !errors.Is(err, channels.ErrUnknown) {
		t.Fatalf("first attempt: %v, want ErrUnknown", err)
	}
	sight, err := c.Look(t.Context(), name)
	if err != nil || sight.Final != nil || sight.Temporary == nil {
		t.Fatalf("Look = %+v, %v, want only the temporary file", sight, err)
	}
	_, err = put(t, c, content, channels.PutOptions{Ours: true, BeforePublish: func() error {
		close(release)
		<-renamed
		return nil
	}})
	if err != nil {
		t.Errorf("second attempt: %v", err)
	}
	holds(t, server.in(), content)
}

func TestShortReads(t *testing.T) {
	server := startOdd(t)
	server.shortRead = 1000
	content := channeltest.Content(1, 200_000)
	if err := os.WriteFile(filepath.Join(server.dir, "out", name), content, 0o600); err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	n, err := open(t, server.settings(t)).Get(t.Context(), channels.Incoming, name, &got)
	if err != nil || n != 200_000 || !bytes.Equal(got.Bytes(), content) {
		t.Errorf("Get = %d, %v, content equal: %v", n, err, bytes.Equal(got.Bytes(), content))
	}
}

func TestGetWhereNobodyMayLook(t *testing.T) {
	server := startOdd(t)
	server.set(func(op, _ string, do func() error) error {
		if op == "stat" {
			return pkgsftp.ErrSSHFxPermissionDenied
		}
		return do()
	})
	content := channeltest.Content(1, 100_000)
	if err := os.WriteFile(filepath.Join(server.dir, "out", name), content, 0o600); err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if _, err := open(t, server.settings(t)).Get(t.Context(), channels.Incoming, name, &got); err != nil || !bytes.Equal(got.Bytes(), content) {
		t.Errorf("Get = %v, content equal: %v", err, bytes.Equal(got.Bytes(), content))
	}
}

func TestGetOfAChangingFile(t *testing.T) {
	for what, told := range map[string]int64{"grows": 99_999, "shrinks": 100_001} {
		server := startOdd(t)
		server.size = func(string, int64) int64 { return told }
		if err := os.WriteFile(filepath.Join(server.dir, "out", name), make([]byte, 100_000), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := open(t, server.settings(t)).Get(t.Context(), channels.Incoming, name, io.Discard); !errors.Is(err, channels.ErrSize) {
			t.Errorf("%s: Get = %v, want ErrSize", what, err)
		}
	}
}

func TestListingTooLong(t *testing.T) {
	server := startOdd(t)
	for i := range 11 {
		if err := os.WriteFile(filepath.Join(server.dir, "out", fmt.Sprint(i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	set := server.settings(t)
	set.MaxEntries = 10
	if _, _, err := open(t, set).List(t.Context(), channels.Incoming); !errors.Is(err, channels.ErrTooMany) {
		t.Errorf("List = %v, want ErrTooMany", err)
	}
}

func TestRemoveRefused(t *testing.T) {
	server := startOdd(t)
	server.set(func(op, _ string, do func() error) error {
		if op == "remove" {
			return pkgsftp.ErrSSHFxPermissionDenied
		}
		return do()
	})
	file := filepath.Join(server.dir, "out", name)
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := open(t, server.settings(t)).Remove(t.Context(), channels.Incoming, name); !errors.Is(err, channels.ErrRefused) || !errors.Is(err, fs.ErrPermission) {
		t.Errorf("Remove = %v, want ErrRefused", err)
	}
}

// A call that waits for a silent server ends by the stall limit, by the hard
// limit, by its context or by Close.
func TestSilentServer(t *testing.T) {
	for what, test := range map[string]struct {
		limits sftp.Timeouts
		end    func(c *sftp.Channel, cancel context.CancelFunc)
		err    error
	}{
		"stall":    {limits: sftp.Timeouts{Stall: 100 * time.Millisecond}, err: channels.ErrLine},
		"deadline": {limits: sftp.Timeouts{Transfer: 100 * time.Millisecond}, err: channels.ErrLine},
		"cancel":   {end: func(_ *sftp.Channel, cancel context.CancelFunc) { cancel() }, err: context.Canceled},
		"close":    {end: func(c *sftp.Channel, _ context.CancelFunc) { c.Close() }, err: channels.ErrClosed},
	} {
		t.Run(what, func(t *testing.T) {
			server := startOdd(t)
			release := make(chan struct{})
			t.Cleanup(func() { close(release) })
			set := server.settings(t)
			set.Timeouts = test.limits
			c := open(t, set)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			server.set(func(op, _ string, do func() error) error {
				if op == "write" || op == "list" {
					if test.end != nil {
						test.end(c, cancel)
					}
					<-release
				}
				return do()
			})
			content := channeltest.Content(1, 1<<20)
			if _, err := c.Put(ctx, name, bytes.NewReader(content), 1<<20, channels.PutOptions{}); !errors.Is(err, test.err) {
				t.Errorf("Put = %v, want %v", err, test.err)
			}
			if _, _, err := c.List(ctx, channels.Outgoing); !errors.Is(err, test.err) {
				t.Errorf("List = %v, want %v", err, test.err)
			}
		})
	}
}

// A cancelled upload leaves the others on the same line alone.
func TestCancelSparesTheOthers(t *testing.T) {
	server := startOdd(t)
	c := open(t, server.settings(t))
	content := channeltest.Content(1, 1<<20)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	inside, cancelled := make(chan struct{}), make(chan error, 1)
	go func() {
		<-inside
		source := bytes.NewReader(content)
		_, err := c.Put(ctx, "EKRH0002", source, int64(len(content)), channels.PutOptions{
			BeforePublish: func() error { cancel(); return nil },
		})
		cancelled <- err
	}()
	_, err := put(t, c, content, channels.PutOptions{BeforePublish: func() error {
		close(inside)
		if err := <-cancelled; !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled upload: %v, want context.Canceled", err)
		}
		return nil
	}})
	if err != nil {
		t.Errorf("the other upload: %v", err)
	}
}

// A transfer keeps many packets in flight. A server that answers none before it
// has met eight at once would never answer a client that sends them one by one,
// which is what the library does, silently, for a source that hides its size.
func TestManyPacketsInFlight(t *testing.T) {
	const together = 8 // as many as this server works on at once
	server := startOdd(t)
	content := channeltest.Content(1, 1<<20)
	if err := os.WriteFile(filepath.Join(server.dir, "out", name), content, 0o600); err != nil {
		t.Fatal(err)
	}
	gate := func(wanted string) func(op, name string, do func() error) error {
		var mu sync.Mutex
		met, open := 0, make(chan struct{})
		return func(op, _ string, do func() error) error {
			if op == wanted {
				mu.Lock()
				if met++; met == together {
					close(open)
				}
				mu.Unlock()
				select {
				case <-open:
				case <-t.Context().Done():
				}
			}
			return do()
		}
	}
	set := server.settings(t)
	set.Timeouts.Stall = 5 * time.Second
	c := open(t, set)
	server.set(gate("write"))
	if _, err := put(t, c, content, channels.PutOptions{}); err != nil {
		t.Errorf("Put = %v", err)
	}
	server.set(gate("read"))
	if _, err := c.Get(t.Context(), channels.Incoming, name, io.Discard); err != nil {
		t.Errorf("Get = %v", err)
	}
}

// A small file costs seven requests, of which two pairs travel together, and no
// listing.
func TestSmallFileTakesFewRequests(t *testing.T) {
	server := startOdd(t)
	var mu sync.Mutex
	var ops []string
	server.set(func(op, _ string, do func() error) error {
		mu.Lock()
		defer mu.Unlock()
		ops = append(ops, op)
		return do()
	})
	if _, err := put(t, open(t, server.settings(t)), channeltest.Content(1, 20_000), channels.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	slices.Sort(ops)
	if want := []string{"close", "open", "rename", "stat", "stat", "stat", "write"}; !slices.Equal(ops, want) {
		t.Errorf("a small file took %q, want %q", ops, want)
	}
}
