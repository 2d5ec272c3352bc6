package config

import (
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"gateway301/schedule"
)

// A Setting is one value of a configuration in a form that can be compared: with
// its default where it is not written, and "1h" where "60m" is.
type Setting struct {
	Row   string // "partners kasse", "server", "server.accounts 260500049"; empty: the top
	Key   string // "sftp.window"; empty: the row is there
	Value string // a list is comma separated; a secret is its reference
}

// Settings lists every value of the configuration at path but its routes, row by row.
// The configuration must be usable (see [Load]).
func Settings(path string) ([]Setting, error) {
	data, _, err := readWhole(path)
	if err != nil {
		return nil, err
	}
	r, err := newReader(path)
	if err != nil {
		return nil, err
	}
	if r.add(path, data).root == nil {
		return nil, r.problems.Err()
	}
	r.root = r.sources[0].root
	r.include()
	fields := map[string][]Field{}
	for _, f := range Fields() {
		fields[f.Section] = append(fields[f.Section], f)
	}
	var out []Setting
	flatten(r.root, fields, "", "", "", &out)
	return out, nil
}

// flatten lists what stands in a section: row names the last row on the way to it,
// prefix the sections behind that.
func flatten(n *yaml.Node, fields map[string][]Field, section, row, prefix string, out *[]Setting) {
	for _, f := range fields[section] {
		v := valueOf(n, f.Key)
		switch {
		case f.Path() == "routes":
		case f.Kind == KindSection && (v != nil || !slices.ContainsFunc(fields[f.Path()], func(f Field) bool { return f.Required })):
			flatten(v, fields, f.Path(), row, prefix+f.Key+".", out) // what is left out has its defaults
		case f.Kind == KindSection:
		case f.Kind == KindRows && v != nil:
			for i, c := range v.Content {
				c = resolve(c)
				name := f.Path() + " " + rowName(c, i)
				if row != "" {
					name = row + ", " + prefix + f.Key + " " + rowName(c, i)
				}
				*out = append(*out, Setting{Row: name})
				flatten(c, fields, f.Path(), name, "", out)
			}
		case f.Kind == KindRows:
		default:
			if text := f.plainly(v); text != "" {
				*out = append(*out, Setting{row, prefix + f.Key, text})
			}
		}
	}
}

// rowName is what tells a row from the others of its list.
func rowName(n *yaml.Node, i int) string {
	for _, key := range []string{"name", "ik", "account"} {
		if v := valueOf(n, key); v != nil && v.Kind == yaml.ScalarNode {
			return v.Value
		}
	}
	return strconv.Itoa(i + 1)
}

// plainly writes a value so that equal ones are the same text.
func (f *Field) plainly(v *yaml.Node) string {
	if v == nil {
		return f.Default
	}
	var words []string
	if v.Kind == yaml.SequenceNode {
		for _, c := range v.Content {
			words = append(words, resolve(c).Value)
		}
	} else {
		words = []string{v.Value}
	}
	switch f.Kind {
	case KindDuration:
		if d, err := parseDuration(words[0]); err == nil {
			return writeDuration(d)
		}
	case KindSize:
		if n, err := parseSize(words[0]); err == nil {
			return writeSize(n)
		}
	case KindFlag:
		return strings.ToLower(words[0])
	case KindWindow:
		if w, err := schedule.ParseWindow(words...); err == nil {
			return w.String()
		}
	}
	return strings.Join(words, ", ")
}
