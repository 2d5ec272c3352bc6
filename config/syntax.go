package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// maxFile is the most bytes a configuration may have; 20,000 routes need about 4 MiB.
const maxFile = 32 << 20

const noConfiguration = "the file holds no configuration"

// parseYAML gives the one document of data, or the one problem that keeps it
// from being YAML.
func parseYAML(file string, data []byte) (*yaml.Node, *Problem) {
	fault := func(line, column int, message, fix string) *Problem {
		return &Problem{File: file, Line: line, Column: column, Severity: Error, Code: CodeSyntax, Message: message, Fix: fix}
	}
	if len(data) > maxFile {
		return nil, fault(1, 1, fmt.Sprintf("larger than %d MiB", maxFile>>20), "")
	}
	if line, column, what := strayBytes(data); what != "" {
		return nil, fault(line, column, what, "save the file as UTF-8 text")
	}
	d := yaml.NewDecoder(bytes.NewReader(data))
	root, err := decode(d)
	if errors.Is(err, io.EOF) {
		return nil, fault(1, 1, noConfiguration, "README.md shows the smallest working one")
	}
	if err != nil {
		line, column := syntaxPlace(data, err)
		words, fix := syntaxWords(err, lineOf(data, line))
		return nil, fault(line, column, "not YAML: "+words, fix)
	}
	if second, err := decode(d); err == nil {
		return nil, fault(second.Line, second.Column, "a second document begins here", "one file holds one configuration: remove the line ---")
	} else if !errors.Is(err, io.EOF) {
		line, column := syntaxPlace(data, err)
		words, fix := syntaxWords(err, lineOf(data, line))
		return nil, fault(line, column, "not YAML: "+words, fix)
	}
	if root.Content[0].ShortTag() == "!!null" {
		return nil, fault(1, 1, noConfiguration, "README.md shows the smallest working one")
	}
	return root, nil
}

// errParser stands for a panic of the parser.
var errParser = errors.New("the parser gave up")

// decode reads one document. The parser has panicked on odd input before, and an
// admin's typing error must not end the service.
func decode(d *yaml.Decoder) (n *yaml.Node, err error) {
	defer func() {
		if recover() != nil {
			n, err = nil, errParser
		}
	}()
	n = new(yaml.Node)
	if err := d.Decode(n); err != nil {
		return nil, err
	}
	return n, nil
}

// strayBytes finds what no text file holds. A byte order mark at the start is fine.
func strayBytes(data []byte) (line, column int, what string) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	line, column = 1, 1
	for len(data) > 0 {
		c, size := utf8.DecodeRune(data)
		switch {
		case c == utf8.RuneError && size == 1:
			return line, column, "not UTF-8 text"
		case c < ' ' && c != '\n' && c != '\r' && c != '\t', c == 0x7f:
			return line, column, fmt.Sprintf("control character U+%04X", c)
		case c == '\n':
			line, column = line+1, 0
		}
		data, column = data[size:], column+1
	}
	return 0, 0, ""
}

// syntaxPlace finds where a syntax error began. The parser's own line is often
// that of the enclosing block, so the longest run of whole lines in front of the
// error that is YAML by itself is sought: the mistake stands in the line after.
func syntaxPlace(data []byte, err error) (line, column int) {
	if name, ok := unknownAnchor(err); ok {
		if i := bytes.Index(data, []byte("*"+name)); i >= 0 {
			start := bytes.LastIndexByte(data[:i], '\n') + 1
			return bytes.Count(data[:i], []byte("\n")) + 1, utf8.RuneCount(data[start:i]) + 1
		}
		return 1, 1
	}
	r := &slowReader{rest: data}
	isYAML(r)
	read := data[:len(data)-len(r.rest)]
	ends := []int{len(read)}
	for i := len(read) - 1; i >= 0 && len(ends) < maxTries(len(data)); i-- {
		if data[i] == '\n' {
			ends = append(ends, i+1)
		}
	}
	at := lineStart(read)
	for _, end := range ends[1:] {
		if isYAML(bytes.NewReader(data[:end])) {
			at = end
			break
		}
	}
	line = bytes.Count(data[:at], []byte("\n")) + 1
	text := lineOf(data, line)
	return line, len(text) - len(strings.TrimLeft(text, " ")) + 1
}

// isYAML reports whether r can be read to its end.
func isYAML(r io.Reader) bool {
	d := yaml.NewDecoder(r)
	for {
		if _, err := decode(d); err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}

// maxTries bounds how many prefixes of a file are parsed to find a mistake.
func maxTries(size int) int { return max(4, min(200, (8<<20)/max(size, 1))) }

func lineStart(read []byte) int {
	return bytes.LastIndexByte(bytes.TrimRight(read, "\r\n"), '\n') + 1
}

// A slowReader hands out one byte at a time, so that what it handed out shows how
// far the parser came.
type slowReader struct{ rest []byte }

func (r *slowReader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	p[0], r.rest = r.rest[0], r.rest[1:]
	return 1, nil
}

// lineOf gives a line, counted from 1, without its end.
func lineOf(data []byte, line int) string {
	for ; line > 1; line-- {
		_, data, _ = bytes.Cut(data, []byte("\n"))
	}
	text, _, _ := bytes.Cut(data, []byte("\n"))
	return strings.TrimSuffix(string(text), "\r")
}

func unknownAnchor(err error) (string, bool) {
	_, after, ok := strings.Cut(err.Error(), "unknown anchor '")
	if !ok {
		return "", false
	}
	name, _, ok := strings.Cut(after, "' referenced")
	return name, ok
}

// syntaxWords says in an admin's words what the parser found, and what to do.
func syntaxWords(err error, line string) (message, fix string) {
	if name, ok := unknownAnchor(err); ok {
		return fmt.Sprintf("*%s stands for &%s, which does not come before it", clip(name), clip(name)), "quote text that begins with *"
	}
	raw := err.Error()
	indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
	if strings.Contains(indent, "\t") {
		return "a tab stands before the first word", "indent with blanks"
	}
	for _, known := range []struct{ parser, message, fix string }{
		{"mapping values are not allowed", "a colon where none may stand", "check the indentation, and quote text that contains \": \""},
		{"could not find expected ':'", "a line without \"key: value\"", "check the indentation and the colon"},
		{"did not find expected key", "this line does not fit the block it stands in", "check the indentation"},
		{"did not find expected '-' indicator", "this line does not fit the list it stands in", "check the indentation and the dash"},
		{"did not find expected ',' or ']'", "a list in [ ] is not closed, or lacks a comma", "check commas and brackets"},
		{"did not find expected ',' or '}'", "a mapping in { } is not closed, or lacks a comma", "check commas and braces"},
		{"found unexpected end of stream", "the file ends inside quotes or brackets", "close them"},
		{"found character that cannot start any token", "a character that cannot begin a value", "put the value in quotes"},
		{"found unknown escape character", "an unknown escape in double quotes", "use single quotes, or double the backslash"},
		{"block sequence entries are not allowed", "a dash where no list can begin", "start the list on a line of its own"},
		{"did not find expected alphabetic or numeric character", "* or & without a name", "put the value in quotes"},
		{"did not find expected node content", "a value is missing here", "check commas and brackets"},
		{"did not find expected <document start>", "something stands after the end of the configuration", "check the indentation"},
		{"exceeded max depth", "nested too deeply", "no key of the configuration needs that"},
	} {
		if strings.Contains(raw, known.parser) {
			return known.message, known.fix
		}
	}
	return "this line cannot be read", "check indentation, quotes, colons and brackets"
}
