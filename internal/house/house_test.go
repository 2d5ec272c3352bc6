package house

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

func TestHouse(t *testing.T) {
	root := os.DirFS("../..")
	name, err := module(root)
	if err != nil {
		t.Fatal(err)
	}
	broken, files, err := inspect(root, name)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range broken {
		t.Error(b)
	}
	if files < 5 { // an empty look would find nothing wrong
		t.Errorf("looked at %d Go files only", files)
	}
}

// Every rule, broken once on purpose, and the words that name the culprit.
func TestPlantedViolations(t *testing.T) {
	for name, c := range map[string]struct {
		file, source string
		want         string
	}{
		"neighbour": {
			"edifact/reader.go", "package edifact\n\nimport _ \"m/crypto/cms\"\n",
			"edifact/reader.go:3: edifact may not import crypto/cms",
		},
		"inward only": {
			"exchange/delivery.go", "package exchange\n\nimport (\n\t\"time\"\n\n\t_ \"m/store\"\n)\n",
			"exchange/delivery.go:6: exchange may not import store",
		},
		"behind a build tag": {
			"schedule/x_windows.go", "//go:build windows\n\npackage schedule\n\nimport _ \"m/exchange\"\n",
			"schedule/x_windows.go:5: schedule may not import exchange",
		},
		"a test's neighbour": {
			"crypto/x_test.go", "package crypto_test\n\nimport _ \"m/edifact\"\n",
			"crypto/x_test.go:3: crypto may not import edifact",
		},
		"channel past the contract": {
			"pipeline/send.go", "package pipeline\n\nimport _ \"m/channels/sftp\"\n",
			"pipeline/send.go:3: pipeline may not import channels/sftp",
		},
		"test gear in the product": {
			"cmd/gateway/main.go", "package main\n\nimport _ \"m/internal/faultfs\"\n",
			"cmd/gateway/main.go:3: internal/faultfs is test gear, for tests only",
		},
		"suite in the product": {
			"sample/x.go", "package sample\n\nimport _ \"m/channels/channeltest\"\n",
			"sample/x.go:3: channels/channeltest is test gear, for tests only",
		},
		"suite of another family": {
			"store/storetest/suite.go", "package storetest\n\nimport _ \"m/annex\"\n",
			"store/storetest/suite.go:3: store/storetest may not import annex",
		},
		"http outside web": {
			"pipeline/x.go", "package pipeline\n\nimport _ \"net/http/httptrace\"\n",
			"pipeline/x.go:3: only web may import net/http",
		},
		"prometheus outside web": {
			"store/x.go", "package store\n\nimport _ \"github.com/prometheus/client_golang/prometheus\"\n",
			"store/x.go:3: only web may import github.com/prometheus",
		},
		"unknown folder": {
			"util/x.go", "package util\n",
			"util: not in the table of the house",
		},
		"file outside every folder": {
			"main.go", "package main\n",
			".: not in the table of the house",
		},
		"no doc.go": {
			"alert/x.go", "package alert\n",
			"alert: has no doc.go",
		},
		"doc.go without a word": {
			"alert/doc.go", "package alert\n",
			"alert/doc.go: has no package comment",
		},
		"command of ours imported": {
			"web/x.go", "package web\n\nimport _ \"m/cmd/gateway\"\n",
			"web/x.go:3: web may not import cmd/gateway",
		},
	} {
		t.Run(name, func(t *testing.T) {
			house := fstest.MapFS{c.file: {Data: []byte(c.source)}}
			broken, _, err := inspect(house, "m")
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(broken, c.want) {
				t.Errorf("want %q\n got %q", c.want, broken)
			}
		})
	}
}

// What is allowed stays allowed: a house without fault is silent.
func TestNothingToReport(t *testing.T) {
	house := fstest.MapFS{}
	for name, source := range map[string]string{
		"crypto/doc.go":                    "// Package crypto seals.\npackage crypto\n\nimport _ \"m/crypto/cms\"\n",
		"crypto/x_test.go":                 "package crypto_test\n\nimport _ \"m/sample\"\n",
		"store/doc.go":                     "// Package store remembers.\npackage store\n\nimport _ \"m/exchange\"\n",
		"store/x_test.go":                  "package store_test\n\nimport (\n\t_ \"m/internal/faultfs\"\n\t_ \"m/store\"\n\t_ \"m/store/storetest\"\n\t_ \"net/http\"\n)\n",
		"store/storetest/doc.go":           "// Package storetest is a suite.\npackage storetest\n\nimport (\n\t_ \"m/exchange\"\n\t_ \"m/internal/relay\"\n\t_ \"m/store\"\n)\n",
		"web/doc.go":                       "// Package web shows.\npackage web\n\nimport _ \"net/http\"\n",
		"cmd/gateway/doc.go":               "// Command gateway joins it all.\npackage main\n\nimport (\n\t_ \"m/channels/sftp\"\n\t_ \"net/http\"\n)\n",
		"bench/go.mod":                     "module bench\n",
		"bench/x.go":                       "package bench\n\nimport _ \"m/edifact\"\n",
		"cmd/gateway/testdata/x.go":        "package x\n\nimport _ \"m/edifact\"\n",
		".hidden/x.go":                     "package x\n",
		"_attic/x.go":                      "package x\n",
		"systemd/README.md":                "no Go here\n",
		"annex/data/README.md":             "no Go here either\n",
		"edifact/doc.go":                   "// Package edifact reads.\npackage edifact\n\nimport _ \"mark/foreign\"\n",
		"channels/channeltest/doc.go":      "// Package channeltest is a suite.\npackage channeltest\n\nimport _ \"m/channels\"\n",
		"channels/channeltest/own_test.go": "package channeltest_test\n\nimport _ \"m/channels/folder\"\n",
	} {
		house[name] = &fstest.MapFile{Data: []byte(source)}
	}
	broken, _, err := inspect(house, "m")
	if err != nil || len(broken) > 0 {
		t.Errorf("%q, %v", broken, err)
	}
}

// module reads the module's path from go.mod.
func module(root fs.FS) (string, error) {
	b, err := fs.ReadFile(root, "go.mod")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(b)) {
		if name, ok := strings.CutPrefix(line, "module "); ok {
			return strings.TrimSpace(name), nil
		}
	}
	return "", fmt.Errorf("go.mod: no module line")
}

// inspect walks the module and returns what breaks the table, in file order,
// with the number of Go files seen. Files count whatever their build tags say.
func inspect(root fs.FS, module string) (broken []string, files int, err error) {
	folders := map[string]bool{} // with Go files; true once doc.go was seen
	err = fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return enter(root, name)
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		files++
		folder := path.Dir(name)
		folders[folder] = folders[folder] || path.Base(name) == "doc.go"
		found, err := inspectFile(root, module, name)
		broken = append(broken, found...)
		return err
	})
	for _, folder := range slices.Sorted(maps.Keys(folders)) {
		if _, known := rowOf(folder); !known {
			broken = append(broken, folder+": not in the table of the house")
		}
		if !folders[folder] {
			broken = append(broken, folder+": has no doc.go")
		}
	}
	return broken, files, err
}

// enter keeps the walk out of what is no package of this module.
func enter(root fs.FS, folder string) error {
	if folder == "." {
		return nil
	}
	base := path.Base(folder)
	if base == "testdata" || base[0] == '.' || base[0] == '_' {
		return fs.SkipDir
	}
	if _, err := fs.Stat(root, path.Join(folder, "go.mod")); err == nil {
		return fs.SkipDir // a module of its own
	}
	return nil
}

func inspectFile(root fs.FS, module, name string) (broken []string, err error) {
	source, err := fs.ReadFile(root, name)
	if err != nil {
		return nil, err
	}
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, source, parser.ImportsOnly|parser.ParseComments)
	if err != nil {
		return nil, err
	}
	if path.Base(name) == "doc.go" && file.Doc.Text() == "" {
		broken = append(broken, name+": has no package comment")
	}
	for _, imported := range file.Imports {
		if why := judge(module, name, importPath(imported)); why != "" {
			broken = append(broken, fmt.Sprintf("%s:%d: %s", name, set.Position(imported.Pos()).Line, why))
		}
	}
	return broken, nil
}

func importPath(s *ast.ImportSpec) string {
	p, err := strconv.Unquote(s.Path.Value)
	if err != nil {
		return s.Path.Value // the parser lets no such file through
	}
	return p
}

// judge says what is wrong with one import of one file; "" when nothing is.
func judge(module, file, imported string) string {
	folder, test := path.Dir(file), strings.HasSuffix(file, "_test.go")
	ours, own := strings.CutPrefix(imported, module+"/")
	switch {
	case !own:
		return judgeForeign(folder, test, imported)
	case ours == folder, within("sample", ours) && test:
		return ""
	case gear(ours):
		if test || gear(folder) {
			return ""
		}
		return ours + " is test gear, for tests only"
	}
	r, _ := rowOf(folder)
	if fits(r.code, ours) || test && fits(r.tests, ours) {
		return ""
	}
	return folder + " may not import " + ours
}

func judgeForeign(folder string, test bool, imported string) string {
	for prefix, home := range alone() {
		free := test || folder == home || within("cmd", folder)
		if within(prefix, imported) && !free {
			return "only " + home + " may import " + prefix
		}
	}
	return ""
}

// gear reports whether a folder serves tests only: it lies under internal, or
// is the conformance suite X/Xtest of its family.
func gear(folder string) bool {
	family, base := path.Split(folder)
	return within("internal", folder) || strings.HasSuffix(base, "test") && family != ""
}

// rowOf finds a folder's row. A conformance suite may import what its family
// may, and the family's contract.
func rowOf(folder string) (row, bool) {
	rows := table()
	r, known := rows[folder]
	if family := path.Dir(folder); gear(folder) && !within("internal", folder) {
		var f row
		f, known = rows[family]
		r.code = slices.Concat(r.code, f.code, []string{family})
	}
	return r, known
}

// fits reports whether one of the patterns covers folder.
func fits(patterns []string, folder string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		parent, deep := strings.CutSuffix(p, "...")
		return p == folder || deep && (parent == "" || within(strings.TrimSuffix(parent, "/"), folder))
	})
}

// within reports whether folder is parent or lies below it.
func within(parent, folder string) bool {
	return folder == parent || strings.HasPrefix(folder, parent+"/")
}
