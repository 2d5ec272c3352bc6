package dropserver

import (
	"path/filepath"
	"strings"
	"testing"

	"gateway301/channels"
)

// Whatever a client calls a file, it is one of the jail's folders or a plain name
// in one of them, or it is not there.
func FuzzLocate(f *testing.F) {
	for _, path := range []string{
		"", "/", ".", "in", "/in", "/in/EKRH0001", "/out/../in/x", "/../in/x", "//in//x", "/in/x/y", "/in/..", "/in/\x00",
	} {
		f.Add(path)
	}
	account := Account{In: "in", Out: "out"}
	f.Fuzz(func(t *testing.T, clientPath string) {
		p, err := account.locate(clientPath)
		if err != nil {
			if p != (place{}) {
				t.Errorf("%q: %v with %v", clientPath, p, err)
			}
			return
		}
		if p.folder != "" && p.folder != "in" && p.folder != "out" {
			t.Errorf("%q leads to the folder %q", clientPath, p.folder)
		}
		if p.name != "" && (p.folder == "" || channels.CheckName(p.name) != nil) {
			t.Errorf("%q leads to %q in %q", clientPath, p.name, p.folder)
		}
		if !filepath.IsLocal(p.path()) || strings.Count(p.path(), "/") > 1 {
			t.Errorf("%q leads to %q", clientPath, p.path())
		}
	})
}
