package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A Severity tells whether a problem stops the gateway.
type Severity string

// The severities.
const (
	Error   Severity = "error"   // the configuration is not used
	Warning Severity = "warning" // it is used; somebody should look
)

// A Code is the short, stable word for a kind of problem.
type Code string

// The codes.
const (
	CodeSyntax      Code = "syntax"        // the file is not YAML
	CodeAliases     Code = "aliases"       // aliases expand to too much
	CodeUnknownKey  Code = "unknown-key"   // a key the dialect does not have
	CodeTwice       Code = "twice"         // a key, name or value that is there already
	CodeType        Code = "type"          // a list where text belongs, a number without its unit …
	CodeMissing     Code = "missing"       // a key that must be given
	CodeValue       Code = "value"         // the right type, but not an allowed value
	CodePlaceholder Code = "placeholder"   // a value that was meant to be replaced
	CodeIK          Code = "ik"            // not a valid Institutionskennzeichen
	CodeWindow      Code = "window"        // not a window, or one that never opens
	CodeReference   Code = "reference"     // a name that nothing else in the file carries
	CodeConflict    Code = "conflict"      // two settings that contradict each other
	CodeFile        Code = "file"          // a file or folder that is missing or of the wrong kind
	CodePermission  Code = "permission"    // a key file that others may read
	CodeSecret      Code = "secret"        // a secret that is not given by reference, or not there
	CodeUnreachable Code = "unreachable"   // a route that an earlier one covers
	CodeOverlap     Code = "overlap"       // two routes that take some files both, and neither all of the other's
	CodeNoEffect    Code = "no-effect"     // a setting that changes nothing
	CodeFirstNumber Code = "first-number"  // a partner in production without history needs its first number; Subject names it
	CodeNoRename    Code = "no-rename"     // a partner who sees files grow under their final name
	CodeNewFolder   Code = "folder-create" // a folder that the service will create
	CodeWeak        Code = "weak"          // an exception that lets weaker keys or algorithms in
)

// A Problem is one thing that is wrong with a configuration, and where.
type Problem struct {
	File     string   `json:"file"`   // as given to [Load]
	Line     int      `json:"line"`   // from 1
	Column   int      `json:"column"` // from 1, in characters
	Severity Severity `json:"severity"`
	Code     Code     `json:"code"`
	Path     string   `json:"path,omitempty"`    // "partners[0].window"; empty = the whole file
	Subject  string   `json:"subject,omitempty"` // the partner's name, for CodeFirstNumber
	Message  string   `json:"message"`
	Fix      string   `json:"fix,omitempty"` // what to do about it; empty when the message says it

	Excerpt string `json:"-"` // its line in the file, without what may be secret; empty: none
	Mark    int    `json:"-"` // column of the place in Excerpt, from 1

	order int // of its line, counted through all files
}

// String writes the problem as "file:line:column: path: message; fix".
func (p Problem) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d:%d: ", p.File, p.Line, p.Column)
	if p.Severity == Warning {
		b.WriteString("warning: ")
	}
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Message)
	if p.Fix != "" {
		b.WriteString("; " + p.Fix)
	}
	return b.String()
}

// Detail writes the problem and, where there is one, its line in the file with a
// caret under the place:
//
//	gateway.yaml:25:5: partners[0]: unknown key "windw"; did you mean "window"?
//	    25 |     windw: …
//	       |     ^
func (p Problem) Detail() string {
	if p.Excerpt == "" {
		return p.String()
	}
	number := fmt.Sprintf("%6d", p.Line)
	return p.String() + "\n" + number + " | " + p.Excerpt + "\n" + strings.Repeat(" ", len(number)) + " | " + strings.Repeat(" ", p.Mark-1) + "^"
}

// GCC writes the problem as compilers do, which editors know how to jump to:
//
//	gateway.yaml:25:5: error: partners[0]: unknown key "windw"; did you mean "window"? [unknown-key]
func (p Problem) GCC() string {
	place := fmt.Sprintf("%s:%d:%d: ", p.File, p.Line, p.Column)
	rest := strings.TrimPrefix(strings.TrimPrefix(p.String(), place), "warning: ")
	return place + string(p.Severity) + ": " + rest + " [" + string(p.Code) + "]"
}

// Problems are all problems of one configuration, in the order of the files.
type Problems []Problem

// ErrInvalid is wrapped by the error of [Problems.Err].
var ErrInvalid = errors.New("configuration invalid")

// An InvalidError carries the problems of a configuration that cannot be used.
type InvalidError struct{ Problems Problems }

// Error writes every problem of severity [Error] on a line of its own.
func (e *InvalidError) Error() string {
	var lines []string
	for _, p := range e.Problems {
		if p.Severity == Error {
			lines = append(lines, p.String())
		}
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives [ErrInvalid].
func (e *InvalidError) Unwrap() error { return ErrInvalid }

// Err is nil when no problem is an error, else an [*InvalidError] with all of
// them, warnings included.
func (ps Problems) Err() error {
	if slices.ContainsFunc(ps, func(p Problem) bool { return p.Severity == Error }) {
		return &InvalidError{Problems: ps}
	}
	return nil
}

// Without gives the problems but for those that drop chooses.
func (ps Problems) Without(drop func(Problem) bool) Problems {
	return slices.DeleteFunc(slices.Clone(ps), drop)
}

func (ps Problems) sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.Column, b.Column))
	})
}
