package config

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"go.yaml.in/yaml/v3"
)

// A source is one file of a configuration. So that a node alone tells where it
// stands, the lines of all files are counted through: base is added to those of
// this one.
type source struct {
	name string // as shown in problems
	base int
	data []byte
	root *yaml.Node     // nil: not YAML
	rows map[string]int // list → how many rows of it stand in the files before
}

// place tells in which file a line is that was counted through, and which it is there.
func (r *reader) place(line int) (s *source, local int) {
	i, _ := slices.BinarySearchFunc(r.sources, line, func(s *source, line int) int {
		if s.base < line {
			return -1
		}
		return 1
	})
	return r.sources[i-1], line - r.sources[i-1].base
}

// add makes data one more file of the configuration and reports what keeps it
// from being one. A file of comments alone is a partner that is switched off.
func (r *reader) add(name string, data []byte) *source {
	s := &source{name: name, data: data, rows: map[string]int{}}
	if n := len(r.sources); n > 0 {
		last := r.sources[n-1]
		s.base = last.base + len(last.data) + 2 // more than it can have lines
	}
	first := len(r.sources) == 0
	r.sources = append(r.sources, s)
	doc, problem := parseYAML(name, data)
	switch {
	case problem != nil && !first && problem.Message == noConfiguration && len(bytes.TrimSpace(data)) > 0:
	case problem != nil:
		problem.order = s.base + problem.Line
		if !first && problem.Message == noConfiguration {
			problem.Fix = "was it saved completely? remove it, or give it rows"
		}
		r.problems = append(r.problems, *problem)
		r.partial = true
	default:
		r.limit += count(doc, s.base)
		s.root = resolve(doc.Content[0])
	}
	return s
}

// include adds the files of the folder that the main file names: rows and lists
// are added to those of the files before, every other key may stand in one only.
func (r *reader) include() {
	main := r.sources[0].root
	n := valueOf(main, "include")
	if n == nil || n.Kind != yaml.ScalarNode || n.Value == "" {
		return // read says what is wrong with it
	}
	folder := r.abs(n.Value)
	entries, err := os.ReadDir(folder)
	if err != nil {
		r.at(n, Error, CodeFile, "include", clip(n.Value)+": "+reason(err), "")
		r.partial = true
		return
	}
	var left []string
	for _, e := range entries { // in the order of their names
		name := e.Name()
		ext := filepath.Ext(name)
		switch {
		case strings.HasPrefix(name, ".") || strings.HasPrefix(name, "#") || strings.HasSuffix(name, "~") || ext == ".swp" || ext == ".tmp":
			continue // what editors leave
		case ext != ".yaml" && ext != ".yml":
			left = append(left, name)
			continue
		}
		shown := filepath.Join(filepath.Dir(r.file), n.Value, name)
		if filepath.IsAbs(n.Value) {
			shown = filepath.Join(n.Value, name)
		}
		data, problem := readSource(filepath.Join(folder, name), shown)
		before := len(r.problems)
		s := r.add(shown, data)
		if problem != nil { // says more than that it is empty
			problem.order = s.base + problem.Line
			r.problems = append(r.problems[:before], *problem)
		}
	}
	if len(left) > 0 {
		more := ""
		if len(left) > 3 {
			left, more = left[:3], ", …"
		}
		r.at(n, Warning, CodeNoEffect, "include", "not read: "+clip(strings.Join(left, ", "))+more, "names end in .yaml or .yml")
	}
	merged := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: main.Line, Column: main.Column}
	for _, s := range r.sources {
		if s.root == nil {
			continue
		}
		if s.root.Kind != yaml.MappingNode {
			r.want(s.root, "", "a mapping (key: value)", "")
			continue
		}
		r.merge(merged, s.root, "", s)
	}
	r.root = merged
}

// merge adds what one file says to what those before it said.
func (r *reader) merge(into, from *yaml.Node, path string, s *source) {
	seen := map[string]bool{} // in this file: there, no key may stand twice
	for i := 0; i+1 < len(from.Content); i += 2 {
		key, v := from.Content[i], resolve(from.Content[i+1])
		sub := strings.TrimPrefix(path+"."+key.Value, ".")
		at := slices.IndexFunc(pairs(into), func(k *yaml.Node) bool { return k.Kind == yaml.ScalarNode && k.Value == key.Value })
		switch {
		case sub == "include" && s != r.sources[0]:
			r.at(key, Error, CodeConflict, "", "include stands in the main file only", "remove it")
			continue
		case key.Kind != yaml.ScalarNode || v.Style&yaml.TaggedStyle != 0 || v.Kind == yaml.ScalarNode && (at < 0 || into.Content[2*at+1].Kind == yaml.ScalarNode) || path != "" && v.Kind == yaml.MappingNode || seen[key.Value]:
			into.Content = append(into.Content, key, from.Content[i+1])
			continue
		case at < 0:
			whole := *v
			whole.Content = nil
			into.Content = append(into.Content, key, &whole)
			at = len(into.Content)/2 - 1
		}
		seen[key.Value] = true
		have := into.Content[2*at+1]
		switch {
		case have.Kind == yaml.SequenceNode && v.Kind == yaml.SequenceNode:
			s.rows[sub] = len(have.Content)
			have.Content = append(have.Content, v.Content...)
		case have.Kind == yaml.MappingNode && v.Kind == yaml.MappingNode && path == "":
			r.merge(have, v, sub, s)
		case have.Kind != v.Kind && have.Kind != yaml.ScalarNode:
			r.want(v, sub, kind(have), "")
		default:
			into.Content = append(into.Content, key, from.Content[i+1]) // "set twice"
		}
	}
}

// pairs lists the keys of a mapping.
func pairs(n *yaml.Node) []*yaml.Node {
	keys := make([]*yaml.Node, 0, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		keys = append(keys, n.Content[i])
	}
	return keys
}

// valueOf gives what stands under a key of a mapping; nil: nothing.
func valueOf(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return resolve(n.Content[i+1])
		}
	}
	return nil
}

// shownPath counts the rows of a path as the file does in which they stand.
func (s *source) shownPath(path string) string {
	open := strings.IndexByte(path, '[')
	if open < 0 {
		return path
	}
	before := s.rows[path[:open]]
	if before == 0 {
		return path
	}
	var i int
	rest, n := path[open:], 0
	if _, err := fmt.Sscanf(rest, "[%d]", &i); err != nil || i < before {
		return path
	}
	n = strings.IndexByte(rest, ']')
	return row(path[:open], i-before) + rest[n+1:]
}

// What can be wrong with a file of a configuration before it is read.
var (
	errBeingWritten = errors.New("changes while it is read")
	errDangling     = errors.New("a symbolic link to something that does not exist")
)

// readWhole reads one file of a configuration, whole: while somebody writes it, it
// is read again. Links are followed to regular files; nothing else is opened.
func readWhole(path string) (data []byte, info os.FileInfo, err error) {
	for range 3 {
		f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe must not keep us waiting
		if err != nil {
			if link, err := os.Readlink(path); err == nil {
				if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
					return nil, nil, fmt.Errorf("%s: %w (%s): %w", path, errDangling, link, os.ErrNotExist)
				}
			}
			return nil, nil, err
		}
		before, err := f.Stat()
		if err == nil && !before.Mode().IsRegular() {
			err = fmt.Errorf("%s: %w", path, errNotFile)
		}
		if err == nil {
			data, err = io.ReadAll(io.LimitReader(f, maxFile+1))
		}
		if err == nil {
			info, err = os.Stat(path) // of the name: an editor may have put another file there
		}
		f.Close()
		if err != nil {
			return nil, nil, err
		}
		if os.SameFile(before, info) && before.Size() == info.Size() && before.ModTime().Equal(info.ModTime()) && int64(len(data)) == min(info.Size(), maxFile+1) {
			return data, info, nil
		}
	}
	return nil, nil, fmt.Errorf("%s %w", path, errBeingWritten)
}

// readSource reads an included file, or says why it cannot be used.
func readSource(path, shown string) ([]byte, *Problem) {
	fault := func(code Code, message, fix string) *Problem {
		return &Problem{File: shown, Line: 1, Column: 1, Severity: Error, Code: code, Message: message, Fix: fix}
	}
	data, info, err := readWhole(path)
	switch {
	case errors.Is(err, errDangling):
		return nil, fault(CodeFile, "is "+errDangling.Error(), "")
	case errors.Is(err, errBeingWritten):
		return nil, fault(CodeFile, errBeingWritten.Error(), "check again when it is saved")
	case errors.Is(err, errNotFile):
		return nil, fault(CodeFile, "is "+errNotFile.Error(), "")
	case err != nil:
		return nil, fault(CodeFile, reason(err), "")
	}
	return data, openToAll(info, shown)
}

// openToAll reports a file that everybody may write: it decides where files go.
func openToAll(info os.FileInfo, shown string) *Problem {
	if info.Mode().Perm()&0o002 == 0 {
		return nil
	}
	return &Problem{File: shown, Line: 1, Column: 1, Severity: Error, Code: CodePermission,
		Message: fmt.Sprintf("may be written by everybody (mode %04o)", info.Mode().Perm()), Fix: "chmod o-w " + shown}
}

// Look tells whether the files of a configuration have changed, without reading them:
// what it returns differs when a name, size, time or file does.
func (f *File) Look() (string, error) {
	var b strings.Builder
	look := func(path string) error {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		var inode uint64
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			inode = st.Ino
		}
		fmt.Fprintf(&b, "%s %d %d %d\n", path, info.Size(), info.ModTime().UnixNano(), inode)
		return nil
	}
	err := look(f.Path)
	if err != nil || f.Include == "" {
		return b.String(), err
	}
	entries, err := os.ReadDir(f.Include)
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); ext != ".yaml" && ext != ".yml" || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if err := look(filepath.Join(f.Include, e.Name())); err != nil {
			return "", err
		}
	}
	return b.String(), nil
}

// hash names the text of all files, in order.
func (r *reader) hash() string {
	sum := sha256.New()
	for _, s := range r.sources {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(s.data)))
		sum.Write(size[:])
		sum.Write(s.data)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// Include gives the folder of the main file at path and, absolute, the folder that it
// includes (empty: none), also while the configuration cannot be used yet.
func Include(path string) (base, folder string, err error) {
	data, _, err := readWhole(path)
	if err != nil {
		return "", "", err
	}
	r, err := newReader(path)
	if err != nil {
		return "", "", err
	}
	if r.add(path, data).root == nil {
		return "", "", r.problems.Err()
	}
	if n := valueOf(r.sources[0].root, "include"); n != nil && n.Kind == yaml.ScalarNode && n.Value != "" {
		folder = r.abs(n.Value)
	}
	return r.dir, folder, nil
}
