package dropserver_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gateway301/channels/channeltest"
	"gateway301/channels/dropserver"
)

// onDisk returns the names in one of the account's folders.
func (r *running) onDisk(t *testing.T, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(r.root, folder))
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func (r *running) write(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(r.root, name), content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// An upload is seen by its client all the time, and by us once it is closed.
func TestUploadAppearsWhenClosed(t *testing.T) {
	server := start(t, nil)
	c := server.sftp(t)
	server.write(t, "in/EKRH0002", []byte("the old one"))
	for _, name := range []string{"EKRH0001", "EKRH0002"} {
		before := server.onDisk(t, "in")
		f, err := c.Create("/in/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		if got := server.onDisk(t, "in"); !slices.Equal(got, before) {
			t.Errorf("while it grows we see %q, want %q", got, before)
		}
		if info, err := c.Stat("/in/" + name); err != nil || info.Size() != 1000 {
			t.Errorf("the client sees %v, %v, want 1000 bytes", info, err)
		}
		infos, err := c.ReadDir("/in")
		if err != nil || len(infos) != len(slices.Compact(append(before, name))) {
			t.Errorf("the client lists %v, %v", infos, err)
		}
		for _, info := range infos {
			if info.Name() == name && info.Size() != 1000 {
				t.Errorf("%s is listed with %d bytes", name, info.Size())
			}
		}
		if old, err := os.ReadFile(filepath.Join(server.root, "in/EKRH0002")); err != nil || string(old) != "the old one" {
			t.Errorf("what is replaced is %q, %v", old, err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if info, err := os.Stat(filepath.Join(server.root, "in", name)); err != nil || info.Size() != 1000 || info.Mode() != 0o600 {
			t.Errorf("after the close: %v, %v", info, err)
		}
		if left := server.onDisk(t, "uploading"); len(left) > 0 {
			t.Errorf("left: %q", left)
		}
		os.WriteFile(filepath.Join(server.root, "in/EKRH0002"), []byte("the old one"), 0o600)
	}
}

// When the line breaks, or an upload met an error that its client does not mind,
// nothing of it is seen, by anybody.
func TestBrokenUploadLeavesNothing(t *testing.T) {
	server := start(t, func(s *dropserver.Settings) { s.Accounts[0].Quota = 100 << 10 })
	server.write(t, "in/EKRH0001", []byte("complete"))
	c := server.sftp(t)
	f, err := c.Create("/in/EKRH0001")
	if err != nil {
		t.Fatal(err)
	}
	f.Write(make([]byte, 1000))
	c.Close()
	event := server.wait(func(e dropserver.Event) bool { return e.Action == dropserver.Upload })
	if event.Err == nil || event.Bytes != 1000 {
		t.Errorf("event %+v, want an error and 1000 bytes", event)
	}
	c = server.sftp(t)
	if f, err = c.Create("/in/EKRH0002"); err != nil {
		t.Fatal(err)
	}
	f.Write(make([]byte, 1000))
	if _, err := f.Write(make([]byte, 200<<10)); err == nil {
		t.Error("more was written than the quota allows")
	}
	if _, err := f.WriteAt([]byte("x"), 0); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err == nil {
		t.Error("an upload with a hole was confirmed")
	}
	if got := server.onDisk(t, "in"); !slices.Equal(got, []string{"EKRH0001"}) {
		t.Errorf("in holds %q", got)
	}
	if got, _ := os.ReadFile(filepath.Join(server.root, "in/EKRH0001")); string(got) != "complete" {
		t.Errorf("EKRH0001 is %q", got)
	}
	if left := server.onDisk(t, "uploading"); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
	if _, err := c.Stat("/in/EKRH0002"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the client sees it: %v", err)
	}
}

// What a crash left is swept away by the next start, and by nothing else.
func TestLeftUploadsAreSweptAway(t *testing.T) {
	root := t.TempDir()
	for _, folder := range []string{"in", "uploading"} {
		os.Mkdir(filepath.Join(root, folder), 0o700)
		if err := os.WriteFile(filepath.Join(root, folder, "7"), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	server := start(t, func(s *dropserver.Settings) { s.Accounts[0].Root = root })
	server.sftp(t)
	server.root = root
	if in, left := server.onDisk(t, "in"), server.onDisk(t, "uploading"); len(in) != 1 || len(left) != 0 {
		t.Errorf("in holds %q, uploading %q", in, left)
	}
	f, err := server.sftp(t).Create("/in/EKRH0001")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dropserver.New(server.set); err != nil { // a check of the configuration
		t.Fatal(err)
	}
	if err := server.server.Reload(server.set); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Errorf("the upload under way was lost: %v", err)
	}
}

// What is complete is replaced, renamed or removed, never changed.
func TestCompleteFilesStayAsTheyAre(t *testing.T) {
	server := start(t, nil)
	c := server.sftp(t)
	server.write(t, "in/EKRH0001", []byte("complete"))
	server.write(t, "in/empty", nil)
	growing, err := c.Create("/in/growing")
	if err != nil {
		t.Fatal(err)
	}
	defer growing.Close()
	for what, try := range map[string]func() error{
		"write into": func() error { f, err := c.OpenFile("/in/EKRH0001", os.O_WRONLY); closeFile(f); return err },
		"append to": func() error {
			f, err := c.OpenFile("/in/EKRH0001", os.O_WRONLY|os.O_CREATE|os.O_APPEND)
			closeFile(f)
			return err
		},
		"exclusively create": func() error {
			f, err := c.OpenFile("/in/EKRH0001", os.O_WRONLY|os.O_CREATE|os.O_EXCL)
			closeFile(f)
			return err
		},
		"shorten":               func() error { return c.Truncate("/in/EKRH0001", 3) },
		"lengthen":              func() error { return c.Truncate("/in/EKRH0001", 3<<40) },
		"join an upload":        func() error { f, err := c.OpenFile("/in/growing", os.O_WRONLY); closeFile(f); return err },
		"rename an upload":      func() error { return c.Rename("/in/growing", "/in/grown") },
		"rename onto an upload": func() error { return c.Rename("/in/EKRH0001", "/in/growing") },
		"open what is not there": func() error {
			f, err := c.OpenFile("/in/EKRH0404", os.O_WRONLY)
			closeFile(f)
			return err
		},
	} {
		if err := try(); err == nil {
			t.Errorf("a client could %s a file", what)
		}
	}
	if err := c.Truncate("/in/EKRH0001", 8); err != nil {
		t.Errorf("the size that it has: %v", err)
	}
	if got, _ := os.ReadFile(filepath.Join(server.root, "in/EKRH0001")); string(got) != "complete" {
		t.Errorf("EKRH0001 is %q", got)
	}
	// Some clients make an empty file first, and then open it again.
	f, err := c.OpenFile("/in/empty", os.O_WRONLY)
	if err != nil {
		t.Fatal(err)
	}
	f.Write([]byte("no longer"))
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if got, _ := os.ReadFile(filepath.Join(server.root, "in/empty")); string(got) != "no longer" {
		t.Errorf("empty is %q", got)
	}
}

// A client may change its mind about a file that it is writing.
func TestUploadIsTruncatedAndRemoved(t *testing.T) {
	server := start(t, nil)
	c := server.sftp(t)
	f, err := c.Create("/in/EKRH0001")
	if err != nil {
		t.Fatal(err)
	}
	f.Write(make([]byte, 1000))
	if err := f.Truncate(10); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(filepath.Join(server.root, "in/EKRH0001")); err != nil || info.Size() != 10 {
		t.Errorf("truncated to %v, %v", info, err)
	}
	if f, err = c.Create("/in/EKRH0001"); err != nil {
		t.Fatal(err)
	}
	if err := c.Remove("/in/EKRH0001"); err != nil {
		t.Error(err)
	}
	f.Close()
	if _, err := c.Stat("/in/EKRH0001"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("removed: Stat = %v", err)
	}
	if f, err = c.Create("/in/EKRH0002"); err != nil {
		t.Fatal(err)
	}
	if err := c.Remove("/in/EKRH0002"); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if in, left := server.onDisk(t, "in"), server.onDisk(t, "uploading"); len(in)+len(left) > 0 {
		t.Errorf("in holds %q, uploading %q", in, left)
	}
}

// Whoever closes last wins, and never with a mixture.
func TestTwoUploadsOfOneName(t *testing.T) {
	server := start(t, nil)
	c, d := server.sftp(t), server.sftp(t)
	f, err := c.Create("/in/EKRH0001")
	if err != nil {
		t.Fatal(err)
	}
	g, err := d.Create("/in/EKRH0001")
	if err != nil {
		t.Fatal(err)
	}
	f.Write(bytes.Repeat([]byte("f"), 1000))
	g.Write(bytes.Repeat([]byte("g"), 500))
	for _, close := range []func() error{g.Close, f.Close} {
		if err := close(); err != nil {
			t.Error(err)
		}
	}
	got, err := os.ReadFile(filepath.Join(server.root, "in/EKRH0001"))
	if err != nil || string(got) != strings.Repeat("f", 1000) {
		t.Errorf("the file has %d bytes, %v", len(got), err)
	}
}

func TestQuota(t *testing.T) {
	server := start(t, func(s *dropserver.Settings) { s.Accounts[0].Quota = 1 << 20 })
	c := server.sftp(t)
	put := func(name string, size int) error {
		f, err := c.Create("/in/" + name)
		if err != nil {
			return err
		}
		_, err = f.Write(make([]byte, size))
		return errors.Join(err, f.Close())
	}
	server.write(t, "in/there", make([]byte, 300<<10))
	for _, test := range []struct {
		name string
		size int
		fits bool
	}{{"a", 300 << 10, true}, {"b", 300 << 10, true}, {"c", 300 << 10, false}, {"d", 100 << 10, true}} {
		if err := put(test.name, test.size); (err == nil) != test.fits {
			t.Errorf("%s of %d bytes: %v, want it to fit: %v", test.name, test.size, err, test.fits)
		}
	}
	server.wait(func(e dropserver.Event) bool {
		return e.Action == dropserver.Upload && e.Name == "/in/c" && e.Err != nil && strings.Contains(e.Err.Error(), "quota")
	})
	if s, err := c.StatVFS("/in"); err != nil || s.Blocks*s.Frsize != 1<<20 || s.Bavail*s.Frsize >= 100<<10 {
		t.Errorf("the client is told %+v, %v", s, err)
	}
	// Four sessions at once do not get more than one.
	var all sync.WaitGroup
	for i := range 4 {
		c := server.sftp(t)
		all.Go(func() {
			for k := range 100 { // empty files count too
				if f, err := c.Create(fmt.Sprintf("/in/%d-%d", i, k)); err == nil {
					f.Close()
				}
			}
		})
	}
	all.Wait()
	used := int64(0)
	for _, name := range server.onDisk(t, "in") {
		info, err := os.Stat(filepath.Join(server.root, "in", name))
		if err != nil {
			t.Fatal(err)
		}
		used += max(1, (info.Size()+4095)/4096) * 4096
	}
	if used > 1<<20 {
		t.Errorf("%d bytes are there, the quota is %d", used, 1<<20)
	}
}

// When the pipeline has taken files there is room again.
func TestQuotaIsFreedByFetching(t *testing.T) {
	server := start(t, func(s *dropserver.Settings) { s.Accounts[0].Quota = 1 << 20 })
	c := server.sftp(t)
	put := func() error {
		f, err := c.Create("/in/EKRH0001")
		if err != nil {
			return err
		}
		_, err = f.Write(make([]byte, 900<<10))
		return errors.Join(err, f.Close())
	}
	if err := put(); err != nil {
		t.Fatal(err)
	}
	if err := put(); err == nil {
		t.Error("a second one fits beside the first")
	}
	if err := os.Remove(filepath.Join(server.root, "in/EKRH0001")); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(50 * time.Millisecond) // it is counted anew once a second
	defer tick.Stop()
	for end := time.After(20 * time.Second); put() != nil; {
		select {
		case <-tick.C:
		case <-end:
			t.Fatal("there is no room again")
		}
	}
}

// A quota of one account says nothing about another, and no quota means none.
func TestFloor(t *testing.T) {
	server := start(t, func(s *dropserver.Settings) { s.Floor = 1 << 60 })
	if _, err := server.sftp(t).Create("/in/EKRH0001"); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("Create = %v, want no space left", err)
	}
	if left := server.onDisk(t, "uploading"); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

// Names that lead elsewhere, in every place that takes one.
func TestFoldersHaveTheirNames(t *testing.T) {
	server := start(t, func(s *dropserver.Settings) { s.Accounts[0].In, s.Accounts[0].Out = "an_kasse", "von_kasse" })
	c := server.sftp(t)
	f, err := c.Create("/an_kasse/EKRH0001")
	if err != nil {
		t.Fatal(err)
	}
	f.Write(channeltest.Content(1, 1000))
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if got := server.onDisk(t, "an_kasse"); !slices.Equal(got, []string{"EKRH0001"}) {
		t.Errorf("an_kasse holds %q", got)
	}
	if _, err := c.ReadDir("/von_kasse"); err != nil {
		t.Error(err)
	}
	for _, folder := range []string{"/in", "/uploading"} {
		if _, err := c.ReadDir(folder); err == nil {
			t.Errorf("%s is there", folder)
		}
	}
}
