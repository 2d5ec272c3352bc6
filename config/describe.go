package config

import (
	_ "embed"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A FieldKind is the form in which the value of a key is written.
type FieldKind string

// The kinds.
const (
	KindText      FieldKind = "text"
	KindName      FieldKind = "name"
	KindIK        FieldKind = "IK"
	KindChoice    FieldKind = "choice"
	KindFlag      FieldKind = "true | false"
	KindWhole     FieldKind = "number"
	KindDuration  FieldKind = "duration"
	KindSize      FieldKind = "size"
	KindWindow    FieldKind = "window"
	KindDay       FieldKind = "date"
	KindPath      FieldKind = "path"
	KindReference FieldKind = "secret"
	KindHostPort  FieldKind = "host:port"
	KindList      FieldKind = "list"
	KindSection   FieldKind = "section"
	KindRows      FieldKind = "rows"
	KindPairs     FieldKind = "pairs" // a mapping with free keys
)

// A Field is one key of the dialect. All but About and Example is what the loader
// itself does, noted while it asks for the key; those two stand in dialect.yaml.
type Field struct {
	Section  string    // keys on the way to it: "partners.sftp"; empty: the top
	Key      string    // "put"
	Kind     FieldKind // how the value is written
	Item     string    // of a list: what each value is, "an IK"; of pairs: what they are
	Required bool      // always, in its section
	Default  string    // empty: none, or what About says
	Choices  []string  // of a choice, or of the values of a list or of pairs
	Least    string    // of a number, duration or size
	Most     string
	About    string // what it is for
	Example  string // a value as it may be written; empty for sections
}

// Path writes where the field stands: "partners.sftp.put".
func (f *Field) Path() string { return strings.TrimPrefix(f.Section+"."+f.Key, ".") }

// A description gathers the fields that a loader asks for.
type description struct {
	fields []*Field
	at     map[string]*Field
}

// index is the number of a row in a path.
var index = regexp.MustCompile(`\[\d+\]`)

// note tells a description about a key; what a later note leaves open stands as
// it was. Outside a description it does nothing.
func (s *section) note(f Field) {
	d := s.r.describe
	if d == nil {
		return
	}
	f.Section = index.ReplaceAllString(s.path, "")
	known := d.at[f.Path()]
	if known == nil {
		known = &Field{Section: f.Section, Key: f.Key}
		d.at[f.Path()] = known
		d.fields = append(d.fields, known)
	}
	known.Required = known.Required || f.Required
	for _, part := range []struct {
		known *string
		noted string
	}{{&known.Item, f.Item}, {&known.Default, f.Default}, {&known.Least, f.Least}, {&known.Most, f.Most}} {
		if *part.known == "" {
			*part.known = part.noted
		}
	}
	if known.Kind == "" {
		known.Kind = f.Kind
	}
	if known.Choices == nil {
		known.Choices = f.Choices
	}
}

// dialectYAML is a configuration that shows every key once, each with a comment
// that says what it is for.
//
//go:embed dialect.yaml
var dialectYAML string

// Fields lists every key of the dialect, section by section, in the order in
// which dialect.yaml explains them.
func Fields() []Field {
	d := &description{at: map[string]*Field{}}
	r := &reader{describe: d, root: &yaml.Node{Kind: yaml.MappingNode}, profiles: map[string]profile{}, broken: map[int]bool{}, stats: map[string]stat{}}
	r.read()
	words := explained(dialectYAML)
	order := map[string]int{}
	for i, w := range words {
		order[w.Path()] = i
		if f := d.at[w.Path()]; f != nil {
			f.About, f.Example = w.About, w.Example
		}
	}
	out := make([]Field, 0, len(d.fields))
	for _, f := range d.fields {
		if _, ok := order[f.Path()]; !ok {
			order[f.Path()] = len(words)
		}
		out = append(out, *f)
	}
	slices.SortStableFunc(out, func(a, b Field) int { return order[a.Path()] - order[b.Path()] })
	return out
}

// explainedLine is a key with its example and what it is for.
var explainedLine = regexp.MustCompile(`^( *)(- )?([a-z0-9-]+):(.*)$`)

// explained reads the keys of dialect.yaml with example and comment, in order.
func explained(text string) []Field {
	var out []Field
	var path []string // keys that stand to the left, and where
	var columns []int
	for line := range strings.Lines(text) {
		m := explainedLine.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if m == nil {
			continue
		}
		column := len(m[1]) + len(m[2])
		for len(columns) > 0 && columns[len(columns)-1] >= column {
			path, columns = path[:len(path)-1], columns[:len(columns)-1]
		}
		example, about, _ := strings.Cut(m[4], " # ")
		out = append(out, Field{Section: strings.Join(path, "."), Key: m[3], Example: strings.TrimSpace(example), About: strings.TrimSpace(about)})
		path, columns = append(path, m[3]), append(columns, column)
	}
	return out
}
