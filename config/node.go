package config

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3"

	"gateway301/annex"
)

// A reader walks the nodes of a document, hands out typed values and gathers
// every problem on its way.
type reader struct {
	file     string // the main one, as named in problems
	dir      string // where relative paths start
	root     *yaml.Node
	problems Problems
	sources  []*source
	partial  bool // a file is missing: what refers to its rows may be right

	visits   int // nodes seen, those behind an alias each time
	limit    int // most visits allowed
	overflow bool

	describe *description // not nil: nothing is read, every key is noted
	now      time.Time
	broken   map[int]bool // routes that could not be read completely
	stats    map[string]stat
	profiles map[string]profile
	rules    func() map[string]bool // codes of the rules
	hook     bool                   // there is a program with codes of its own
	guesses  int                    // suggestions made so far
}

type profile struct {
	annex.Profile
	err error
}

type stat struct {
	info os.FileInfo
	err  error
}

// Limits on the work that a small file can cause.
const (
	aliasVisits = 100_000 // nodes that aliases may add to those of the document
	maxGuesses  = 200     // did-you-mean searches
)

// count counts the nodes of a document as they are written, and their lines from base.
func count(n *yaml.Node, base int) int {
	sum := 1
	n.Line += base
	for _, c := range n.Content {
		sum += count(c, base)
	}
	return sum
}

// children gives what stands below n, until aliases have expanded to too much.
func (r *reader) children(n *yaml.Node) []*yaml.Node {
	r.visits += len(n.Content)
	if r.visits > r.limit && !r.overflow {
		r.problems = nil
		r.at(n, Error, CodeAliases, "", fmt.Sprintf("aliases expand to more than %d values", aliasVisits), "write the values out")
		r.overflow = true
	}
	if r.overflow {
		return nil
	}
	return n.Content
}

// resolve follows an alias to what it stands for.
func resolve(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// at reports a problem at a node.
func (r *reader) at(n *yaml.Node, severity Severity, code Code, path, message, fix string) {
	if r.overflow || r.describe != nil {
		return
	}
	s, line := r.place(n.Line)
	r.problems = append(r.problems, Problem{
		File: s.name, Line: line, Column: n.Column, order: n.Line,
		Severity: severity, Code: code, Path: s.shownPath(path), Message: message, Fix: fix,
	})
}

// fault reports an error at the value that path leads to, or at the innermost
// part of it that exists.
func (r *reader) fault(code Code, path, message, fix string) {
	r.at(r.find(path), Error, code, path, message, fix)
}

// warn reports a warning likewise.
func (r *reader) warn(code Code, path, message, fix string) {
	r.at(r.find(path), Warning, code, path, message, fix)
}

// find gives what stands at a path, or the innermost part of it that exists.
func (r *reader) find(path string) *yaml.Node {
	n, _ := r.lookUp(path)
	return n
}

// has reports whether something stands at a path.
func (r *reader) has(path string) bool {
	_, ok := r.lookUp(path)
	return ok
}

// lookUp walks a path such as "partners[0].sftp.put" as far as it goes.
func (r *reader) lookUp(path string) (n *yaml.Node, ok bool) {
	n = r.root
	for path != "" {
		var next *yaml.Node
		if path[0] == '[' {
			index, rest, _ := strings.Cut(path[1:], "]")
			i, err := strconv.Atoi(index)
			if err != nil || n.Kind != yaml.SequenceNode || i >= len(n.Content) {
				return n, false
			}
			next, path = n.Content[i], rest
		} else {
			end := strings.IndexAny(path, ".[")
			if end < 0 {
				end = len(path)
			}
			key := path[:end]
			path = path[end:]
			if n.Kind != yaml.MappingNode {
				return n, false
			}
			for i := 0; i+1 < len(n.Content); i += 2 {
				if n.Content[i].Value == key {
					next = n.Content[i+1]
					break
				}
			}
			if next == nil {
				return n, false
			}
		}
		path = strings.TrimPrefix(path, ".")
		n = resolve(next)
	}
	return n, true
}

// meant words a suggestion, "" when nothing is like the wrong word.
func (r *reader) meant(wrong string, words []string) string {
	if r.guesses++; r.guesses > maxGuesses {
		return ""
	}
	if near := nearest(wrong, words); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return ""
}

// meantOr is meant, or the list of what is possible.
func (r *reader) meantOr(wrong string, words []string) string {
	if near := r.meant(wrong, words); near != "" {
		return near
	}
	return "possible: " + strings.Join(words, ", ")
}

// kind names what stands at n, in an admin's words.
func kind(n *yaml.Node) string {
	switch n.Kind {
	case yaml.SequenceNode:
		return "a list"
	case yaml.MappingNode:
		return "a mapping (key: value)"
	}
	switch n.ShortTag() {
	case "!!null":
		return "empty"
	case "!!bool":
		return "true or false"
	case "!!int", "!!float":
		return "a number"
	case "!!timestamp":
		return "a date"
	}
	return "text"
}

// plain follows an alias and refuses tags, which the dialect does without.
func (r *reader) plain(n *yaml.Node, path string) (*yaml.Node, bool) {
	n = resolve(n)
	if n.Style&yaml.TaggedStyle != 0 {
		r.at(n, Error, CodeType, path, "carries a tag ("+clip(n.Tag)+")", "remove it; quotes make text of anything")
		return n, false
	}
	return n, true
}

// quoteIt mends a scalar that was meant as text.
const quoteIt = "put it in quotes"

// want reports that n is not what belongs at path.
func (r *reader) want(n *yaml.Node, path, what, fix string) {
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
		r.at(n, Error, CodeType, path, "has no value", "give "+what+", or remove the key")
		return
	}
	if n.Kind != yaml.ScalarNode && fix == quoteIt {
		fix = ""
	}
	r.at(n, Error, CodeType, path, "must be "+what+", not "+kind(n), fix)
}

// A section is a mapping that is being read. A key is known once it was asked
// for; done reports the others.
type section struct {
	r     *reader
	node  *yaml.Node
	path  string
	value map[string]*yaml.Node
	keys  []*yaml.Node
	asked []string
	sound bool // it is a mapping; when not, nothing is missed in it
}

func (r *reader) section(n *yaml.Node, path string) *section {
	s := &section{r: r, path: path, value: map[string]*yaml.Node{}}
	if r.describe != nil {
		s.node, s.sound = n, true
		return s
	}
	var ok bool
	if s.node, ok = r.plain(n, path); !ok {
		return s
	}
	if s.node.Kind != yaml.MappingNode {
		r.want(s.node, path, "a mapping (key: value)", "")
		return s
	}
	s.sound = true
	content := r.children(s.node)
	for i := 0; i+1 < len(content); i += 2 {
		key := content[i]
		switch {
		case key.ShortTag() == "!!merge":
			r.at(key, Error, CodeUnknownKey, path, "<< is not part of the dialect", "repeat the keys; aliases (*name) may stand for whole values")
		case key.Kind != yaml.ScalarNode:
			r.at(key, Error, CodeType, path, "a key must be a word, not "+kind(resolve(key)), "")
		case s.value[key.Value] != nil:
			r.at(key, Error, CodeTwice, s.sub(key.Value), fmt.Sprintf("key %q is set twice", clip(key.Value)),
				"first in "+r.line(s.lineOfKey(key.Value), key.Line)+"; keep one")
		default:
			s.value[key.Value] = content[i+1]
			s.keys = append(s.keys, key)
		}
	}
	return s
}

// line names a line for readers of a problem in another one.
func (r *reader) line(line, from int) string {
	s, local := r.place(line)
	if here, _ := r.place(from); here != s {
		return s.name + ":" + strconv.Itoa(local)
	}
	return "line " + strconv.Itoa(local)
}

// other names what stands at a path, for readers of a problem at from.
func (r *reader) other(path, from string) string {
	line := r.find(path).Line
	s, local := r.place(line)
	if here, _ := r.place(r.find(from).Line); here != s {
		return s.name + ":" + strconv.Itoa(local)
	}
	return s.shownPath(path)
}

func (s *section) lineOfKey(name string) int {
	for _, k := range s.keys {
		if k.Value == name {
			return k.Line
		}
	}
	return 0
}

// sub is the path of a key of this section.
func (s *section) sub(key string) string {
	if s.path == "" {
		return clip(key)
	}
	return s.path + "." + clip(key)
}

// clip keeps a word from the file on one line of a message, and short.
func clip(word string) string {
	word = strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return unicode.ReplacementChar
		}
		return c
	}, word)
	if len(word) <= 60 {
		return word
	}
	return strings.ToValidUTF8(word[:60], "") + "…"
}

// done reports every key that nobody asked for.
func (s *section) done() {
	for _, key := range s.keys {
		if !slices.Contains(s.asked, key.Value) {
			s.r.at(key, Error, CodeUnknownKey, s.path, fmt.Sprintf("unknown key %q", clip(key.Value)), s.r.meantOr(key.Value, s.asked))
		}
	}
}

// has reports whether a key is given.
func (s *section) has(key string) bool { return s.value[key] != nil }

// take gives the value of a key, nil when it is not given.
func (s *section) take(key string) *yaml.Node {
	s.asked = append(s.asked, key)
	s.note(Field{Key: key})
	n := s.value[key]
	if n == nil {
		return nil
	}
	n, ok := s.r.plain(n, s.sub(key))
	if !ok {
		return nil
	}
	return n
}

// missing reports a key that must be given.
func (s *section) missing(key, fix string) {
	if s.note(Field{Key: key, Required: true}); s.r.describe != nil {
		return
	}
	if s.sound && !s.has(key) {
		s.r.at(s.node, Error, CodeMissing, s.path, fmt.Sprintf("%q is missing", key), fix)
	}
}

// below reads the mapping under a key; nil when it is not given.
func (s *section) below(key string) *section {
	s.note(Field{Key: key, Kind: KindSection})
	n := s.take(key)
	if s.r.describe != nil {
		return s.r.section(&yaml.Node{Kind: yaml.MappingNode}, s.sub(key))
	}
	if n == nil {
		return nil
	}
	return s.r.section(n, s.sub(key))
}

// rows reads a list of mappings.
func (s *section) rows(key string, row func(*section)) {
	s.note(Field{Key: key, Kind: KindRows})
	n := s.take(key)
	if s.r.describe != nil {
		row(s.r.section(&yaml.Node{Kind: yaml.MappingNode}, s.sub(key)))
		return
	}
	if n == nil {
		return
	}
	if n.Kind != yaml.SequenceNode {
		s.r.want(n, s.sub(key), "a list", "begin each row with a dash")
		return
	}
	for i, c := range s.r.children(n) {
		b := s.r.section(c, s.sub(key)+"["+strconv.Itoa(i)+"]")
		row(b)
		b.done()
	}
}

// Kinds of nodes, for files that know nothing else of YAML.
const (
	mappingNode  = yaml.MappingNode
	sequenceNode = yaml.SequenceNode
)
