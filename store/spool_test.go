package store

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSpoolKeepsBytes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	s, err := OpenSpool(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	size, sha, err := s.Put(t.Context(), "a", "plain", strings.NewReader("abc"))
	if err != nil || size != 3 || sha != "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" {
		t.Fatal(size, sha, err)
	}
	f, err := s.Open("a", "plain")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if b, _ := io.ReadAll(f); string(b) != "abc" {
		t.Errorf("%q", b)
	}
	for path, want := range map[string]fs.FileMode{dir: 0o700, filepath.Join(dir, "a"): 0o700, filepath.Join(dir, "a", "plain"): 0o600} {
		if st, err := os.Stat(path); err != nil || st.Mode().Perm() != want {
			t.Errorf("%s: %v %v, want %o", path, st.Mode(), err, want)
		}
	}
	if got, err := s.Tokens(); err != nil || len(got) != 1 || got[0] != "a" {
		t.Error(got, err)
	}
	if err := s.Remove("a"); err != nil || s.Has("a", "plain") {
		t.Error("not removed", err)
	}
}

func TestSpoolLeavesNothingHalf(t *testing.T) {
	s, err := OpenSpool(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	broken := errors.New("broken")
	_, _, err = s.Write("a", "sealed", func(w io.Writer) error {
		io.WriteString(w, "half")
		return broken
	})
	if !errors.Is(err, broken) {
		t.Fatal(err)
	}
	f, _ := s.root.Open("a")
	defer f.Close()
	if left, _ := f.Readdirnames(-1); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestSpoolStaysInside(t *testing.T) {
	s, err := OpenSpool(filepath.Join(t.TempDir(), "spool"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, token := range []string{"..", "../x", "a/b", ""} {
		if _, _, err := s.Put(t.Context(), token, "plain", strings.NewReader("x")); err == nil {
			t.Errorf("token %q was taken", token)
		}
	}
}

func TestSetAsideKeepsEverything(t *testing.T) {
	dir := t.TempDir()
	s, err := OpenSpool(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, _, err := s.Put(t.Context(), "a", "plain", strings.NewReader("abc")); err != nil {
		t.Fatal(err)
	}
	if err := s.SetAside("a"); err != nil {
		t.Fatal(err)
	}
	if tokens, err := s.Tokens(); err != nil || len(tokens) != 0 {
		t.Error(tokens, err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "orphans", "a", "plain")); err != nil || string(b) != "abc" {
		t.Errorf("%q %v", b, err)
	}
}
