package config

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// Whatever the file holds: no panic, no endless work, every problem has a place
// inside the file and one line of words, and there is a File exactly when there
// is no error.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/*.yaml", "testdata/bad/*.yaml", "testdata/doubtful/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatalf("%s: %v", pattern, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			if len(text) < 4096 {
				f.Add(text)
			}
		}
	}
	path := filepath.Join(world(f), "gateway.yaml")
	f.Fuzz(func(t *testing.T, text []byte) {
		begin := time.Now()
		file, ps, err := Parse(path, text)
		if err != nil {
			t.Fatal(err)
		}
		if (file == nil) != (ps.Err() != nil) {
			t.Fatalf("file %v with\n%s", file != nil, lines(ps))
		}
		rows := bytes.Count(text, []byte("\n")) + bytes.Count(text, []byte("\r")) + 2*bytes.Count(text, []byte("\u0085")) + bytes.Count(text, []byte("\u2028")) + bytes.Count(text, []byte("\u2029")) + 1
		for i, p := range ps {
			if p.Line < 1 || p.Line > rows || p.Column < 1 || p.Column > len(text)+1 || p.Message == "" || p.Code == "" || p.Severity == "" {
				t.Fatalf("incomplete or outside the file of %d lines: %#v", rows, p)
			}
			if s := p.String(); strings.ContainsAny(s, "\n\r\x00") || !utf8.ValidString(s) || len(p.Message) > 400 {
				t.Fatalf("not one line of words: %q", s)
			}
			if s := p.Detail(); strings.Count(s, "\n") > 2 || len([]rune(p.Excerpt)) > widest+2 || p.Excerpt != "" && p.Mark < 1 || p.Mark > widest+2 {
				t.Fatalf("no excerpt: %q, mark %d", s, p.Mark)
			}
			if i > 0 && ps[i-1].Line > p.Line {
				t.Fatalf("out of order:\n%s", lines(ps))
			}
		}
		if took := time.Since(begin); took > 20*time.Second {
			t.Fatalf("%v for %d bytes", took, len(text))
		}
	})
}
