package crypto_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gateway301/crypto"
)

// Every test that docs/threats.md names exists.
func TestThreatsNameTests(t *testing.T) {
	text, err := os.ReadFile("../docs/threats.md")
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	err = filepath.WalkDir("..", func(path string, e fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, m := range function.FindAllSubmatch(source, -1) {
			there[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z]\w+`).FindAllString(string(text), -1)
	if len(named) < 25 {
		t.Errorf("only %d tests are named", len(named))
	}
	for _, name := range named {
		if !there[name] {
			t.Errorf("docs/threats.md names %s, which does not exist", name)
		}
	}
}

// A link that somebody put where a file is to appear is replaced; what it
// points to stays as it was.
func TestLinkIsReplaced(t *testing.T) {
	c := everyone()
	msg := sealed(t, []byte("hello"), c.hospital, now, c.insurer.Certificate)
	dir := t.TempDir()
	target, dst := filepath.Join(t.TempDir(), "target"), filepath.Join(dir, "in")
	write(t, target, []byte("precious"))
	if err := os.Symlink(target, dst); err != nil {
		t.Fatal(err)
	}
	if _, err := crypto.OpenFile(dst, bytes.NewReader(msg), options()); err != nil {
		t.Fatal(reason(err))
	}
	if info, err := os.Lstat(dst); err != nil || !info.Mode().IsRegular() {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if b, err := os.ReadFile(target); err != nil || string(b) != "precious" {
		t.Errorf("%q, %v", b, err)
	}
}
