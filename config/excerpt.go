package config

import (
	"regexp"
	"slices"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// maxExcerpts is for how many problems the line is shown.
const maxExcerpts = 100

// excerpts adds to each problem its line of the file. A value is shown only where
// the dialect has a key for it and that key holds no secret: the wrong key may be
// a password's.
func (r *reader) excerpts() {
	if len(r.problems) == 0 {
		return
	}
	flagged := map[int][]token{}
	for i := range r.problems[:min(len(r.problems), maxExcerpts)] {
		flagged[r.problems[i].order] = nil
	}
	open := map[string]bool{}   // paths whose values may be shown
	secret := map[string]bool{} // keys that hold a secret somewhere
	for _, f := range Fields() {
		hidden := f.Kind == KindReference || f.Item == "a reference to a host key" || f.Item == "a public key"
		open[f.Path()] = !hidden
		secret[f.Key] = secret[f.Key] || hidden
	}
	for _, s := range r.sources {
		if s.root != nil {
			tokens(s.root, "", true, open, flagged)
		}
	}
	for i := range r.problems[:min(len(r.problems), maxExcerpts)] {
		p := &r.problems[i]
		s, line := r.place(p.order)
		text := []rune(lineOf(s.data, line))
		if line == 1 && len(text) > 0 && text[0] == '\ufeff' {
			text = text[1:]
		}
		if p.Code == CodeSyntax {
			p.Excerpt, p.Mark = plainExcerpt(string(text), p.Column, secret)
			continue
		}
		p.Excerpt, p.Mark = excerpt(text, flagged[p.order], p.Column)
	}
}

// A token is a scalar or alias in a line, at a column from 1.
type token struct {
	column int
	node   *yaml.Node
	shown  bool
}

// tokens gathers what stands in the flagged lines.
func tokens(n *yaml.Node, path string, shown bool, open map[string]bool, flagged map[int][]token) {
	switch n.Kind {
	case yaml.ScalarNode, yaml.AliasNode:
		if have, ok := flagged[n.Line]; ok {
			flagged[n.Line] = append(have, token{n.Column, n, shown})
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			tokens(key, "", shown, open, flagged)
			sub := strings.TrimPrefix(path+"."+key.Value, ".")
			tokens(n.Content[i+1], sub, shown && open[sub], open, flagged)
		}
	default:
		for _, c := range n.Content {
			tokens(c, path, shown, open, flagged)
		}
	}
}

// excerpt writes a line out of its tokens, and where a column of the line is in it.
func excerpt(line []rune, tokens []token, column int) (text string, mark int) {
	if len(tokens) == 0 {
		return "", 0
	}
	slices.SortFunc(tokens, func(a, b token) int { return a.column - b.column })
	var out []rune
	at := 0 // index in line
	mark = 1
	gap := func(to int) {
		for ; at < to && at < len(line) && strings.ContainsRune(" \t-?:,[]{}", line[at]); at++ {
			if at == column-1 {
				mark = len(out) + 1
			}
			out = append(out, line[at])
		}
		if at < to && to < len(line) { // an anchor, a tag, the end of what began in a line before
			if at <= column-1 && column-1 < to {
				mark = len(out) + 1
			}
			out = append(out, '…', ' ')
		}
		at = max(at, to)
	}
	for _, t := range tokens {
		if t.column-1 < at || t.column > len(line) {
			continue
		}
		gap(t.column - 1)
		end := tokenEnd(line, at, t.node)
		if at <= column-1 && column-1 < end {
			mark = len(out) + 1
		}
		if t.shown {
			out = append(out, line[at:end]...)
		} else {
			out = append(out, '…')
		}
		at = end
	}
	for ; at < len(line) && strings.ContainsRune(" :,[]{}", line[at]); at++ {
		if at == column-1 {
			mark = len(out) + 1
		}
		out = append(out, line[at])
	}
	if column > at {
		mark = len(out) + 1
	}
	if at < len(line) && line[at] != '#' && !strings.HasSuffix(string(out), "…") { // the value stands in the next line, or spans several
		out = append(out, '…')
	}
	return shortened(out, mark)
}

// tokenEnd finds where in its line a scalar ends.
func tokenEnd(line []rune, at int, n *yaml.Node) int {
	rest := line[at:]
	value := []rune(n.Value)
	switch {
	case n.Kind == yaml.AliasNode || rest[0] == '|' || rest[0] == '>':
		for i, c := range rest {
			if strings.ContainsRune(" ,]}\t", c) {
				return at + i
			}
		}
	case rest[0] == '"' || rest[0] == '\'':
		for i := 1; i < len(rest); i++ {
			if rest[i] == '\\' && rest[0] == '"' {
				i++
			} else if rest[i] == rest[0] {
				return at + i + 1
			}
		}
	case len(value) <= len(rest) && string(rest[:len(value)]) == string(value):
		return at + len(value)
	}
	return len(line)
}

// aKey is what may be one in a line that is not YAML.
var aKey = regexp.MustCompile(`([A-Za-z_][A-Za-z0-9_-]*)["']?\s*:`)

// knownPlace is a key, or a dash, at the start of a line.
var knownPlace = regexp.MustCompile(`^[ \t]*(?:- +)?[\[{]?[ ]*["']?[A-Za-z_][A-Za-z0-9_-]*["']?[ ]*:`)

// plainExcerpt shows a line of a file that is not YAML: whole if every key in it
// is known to hold no secret, else up to its first key.
func plainExcerpt(line string, column int, secret map[string]bool) (text string, mark int) {
	line, _, _ = strings.Cut(line, " #")
	line = strings.TrimRight(line, " ")
	keys := aKey.FindAllStringSubmatch(line, -1)
	clear := knownPlace.MatchString(line)
	for _, k := range keys {
		hidden, known := secret[k[1]]
		clear = clear && known && !hidden
	}
	if !clear {
		start := knownPlace.FindString(line)
		if start == "" {
			return "", 0
		}
		line = start + " …"
	}
	return shortened([]rune(line), min(column, len([]rune(line))))
}

// widest is how much of a line is shown.
const widest = 100

// shortened keeps the part around the mark, and nothing that could steer a terminal.
func shortened(line []rune, mark int) (string, int) {
	if mark > widest-20 {
		cut := mark - widest/2
		line, mark = append([]rune{'…'}, line[cut:]...), mark-cut+1
	}
	if len(line) > widest {
		line = append(line[:widest:widest], '…')
	}
	for i, c := range line {
		switch {
		case c == '\t':
			line[i] = ' '
		case unicode.IsControl(c):
			line[i] = unicode.ReplacementChar
		}
	}
	return strings.TrimRight(string(line), " "), mark
}
