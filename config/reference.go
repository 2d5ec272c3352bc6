package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Reference writes what docs/configuration.md says of every key, as Markdown.
func Reference() string {
	var b strings.Builder
	b.WriteString(referenceHead)
	fields := Fields()
	for _, name := range sections(fields) {
		title := "`" + name + "`"
		if name == "" {
			title = "The file itself"
		}
		fmt.Fprintf(&b, "\n## %s\n\n", title)
		if about := aboutSection(fields, name); about != "" {
			b.WriteString(about + "\n\n")
		}
		b.WriteString("| key | form | default | what it is for | example |\n| --- | --- | --- | --- | --- |\n")
		for _, f := range fields {
			if f.Section == name {
				fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", f.Key, f.form(), f.shownDefault(), cell(f.About), code(f.Example))
			}
		}
	}
	return b.String()
}

const referenceHead = `# Configuration, key by key

This page and [gateway.schema.json](gateway.schema.json) are written from the loader and from config/dialect.yaml
(` + "`go test ./config -run Reference -update`" + `); the same is printed by ` + "`gateway config reference`" + ` and ` + "`gateway config schema`" + `.
An editor that knows JSON Schema completes and checks while you type, when the file begins with

    # yaml-language-server: $schema=gateway.schema.json

How values are written:

- An **IK** has nine digits and a right check digit; quotes are optional. Placeholders such as 123456789 are refused.
- A **name** has letters, digits, dot, dash and underscore, 64 at most.
- A **duration** is whole numbers with the units d (24 hours), h, m, s, ms: ` + "`14d`, `2h30m`, `90s`" + `. A **size** is a whole number with B,
  kB, MB, GB, TB (by 1000) or KiB, MiB, GiB, TiB (by 1024). A bare number is refused: which unit would it be?
- A **window** is ` + "`always`, `22:00-05:00`, `mon-fri 22:00-05:00`" + `, or a list of such; a **date** is ` + "`2026-12-31`" + `.
- A **path** is relative to the folder of the main file. A folder of ours that does not exist is created by the service (0700).
- A **secret** is a reference, never the value: ` + "`file:PATH`" + ` (readable by its owner alone), ` + "`env:NAME`, `credential:NAME`" + ` (systemd
  LoadCredential=).
`

// sections lists the sections in the order of their first field.
func sections(fields []Field) []string {
	var out []string
	seen := map[string]bool{}
	var add func(string)
	add = func(name string) {
		if seen[name] {
			return
		}
		seen[name] = true
		out = append(out, name)
		for _, f := range fields {
			if f.Section == name && (f.Kind == KindSection || f.Kind == KindRows) {
				add(f.Path())
			}
		}
	}
	add("")
	return out
}

func aboutSection(fields []Field, name string) string {
	for _, f := range fields {
		if name != "" && f.Path() == name {
			about := strings.ToUpper(f.About[:1]) + f.About[1:]
			if f.Kind == KindRows {
				return "A list of rows: " + f.About + "."
			}
			return about + "."
		}
	}
	return ""
}

// form says in an admin's words how a value is written.
func (f *Field) form() string {
	switch {
	case f.Kind == KindSection:
		return "section, see below"
	case f.Kind == KindRows:
		return "rows, see below"
	case f.Kind == KindPairs && f.Choices != nil:
		return "mapping of " + f.Item + " to " + codes(f.Choices)
	case f.Kind == KindPairs:
		return "mapping of " + f.Item + " to text"
	case f.Kind == KindList && f.Choices != nil:
		return "list of " + codes(f.Choices)
	case f.Kind == KindList:
		return "list, each " + f.Item
	case f.Kind == KindChoice:
		return codes(f.Choices)
	case f.Kind == KindFlag:
		return "`true` or `false`"
	case f.Kind == KindWhole:
		return f.Least + " to " + f.Most
	case f.Kind == KindDuration:
		return "duration, " + f.Least + " to " + f.Most
	case f.Kind == KindSize && f.Least != "0B":
		return "size, at least " + f.Least
	}
	return string(f.Kind)
}

func (f *Field) shownDefault() string {
	switch {
	case f.Required:
		return "**required**"
	case f.Default != "":
		return code(f.Default)
	}
	return ""
}

func codes(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = code(w)
	}
	return strings.Join(quoted, ", ")
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + cell(text) + "`"
}

// cell keeps a text in its cell of a table.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

// Schema writes the dialect as JSON Schema (draft 2020-12), for editors. It knows
// less than the loader: no check digits, no names, no files.
func Schema() ([]byte, error) {
	fields := Fields()
	top := object(fields, "")
	top["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	top["$id"] = "gateway.schema.json"
	top["title"] = "Gateway 301"
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	err := e.Encode(top)
	return b.Bytes(), err
}

// object is the schema of a section.
func object(fields []Field, section string) map[string]any {
	properties, required := map[string]any{}, []string{}
	for i := range fields {
		f := &fields[i]
		if f.Section != section {
			continue
		}
		var v map[string]any
		switch f.Kind {
		case KindSection:
			v = object(fields, f.Path())
		case KindRows:
			v = map[string]any{"type": "array", "items": object(fields, f.Path())}
		case KindPairs:
			kind := KindText
			if f.Choices != nil {
				kind = KindChoice
			}
			v = map[string]any{"type": "object", "additionalProperties": value(kind, f.Choices)}
		case KindList:
			v = map[string]any{"type": "array", "uniqueItems": true, "items": value(listItem(f), f.Choices)}
		default:
			v = f.limits(value(f.Kind, f.Choices))
		}
		v["description"] = f.About
		properties[f.Key] = v
		if f.Required {
			required = append(required, f.Key)
		}
	}
	out := map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}

// listItem is the kind of the values of a list.
func listItem(f *Field) FieldKind {
	switch {
	case f.Choices != nil:
		return KindChoice
	case f.Item == "an IK":
		return KindIK
	case f.Item == "a reference to a host key":
		return KindReference
	}
	return KindText
}

// value is the schema of a value of one kind.
func value(kind FieldKind, choices []string) map[string]any {
	pattern := func(p string) map[string]any { return map[string]any{"type": "string", "pattern": p} }
	switch kind {
	case KindName:
		return map[string]any{"type": []string{"string", "integer"}, "pattern": `^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`}
	case KindIK:
		return map[string]any{"type": []string{"string", "integer"}, "pattern": `^[0-9]{9}$`, "minimum": 100000000, "maximum": 999999999}
	case KindChoice:
		return map[string]any{"enum": choices}
	case KindFlag:
		return map[string]any{"type": "boolean"}
	case KindWhole:
		return map[string]any{"type": "integer"}
	case KindDuration:
		return pattern(`^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$`)
	case KindSize:
		return pattern(`^[0-9]+ ?([kKMGT]?B|[KMGT]iB)$`)
	case KindWindow:
		return map[string]any{"anyOf": []any{map[string]any{"type": "string"}, map[string]any{"type": "array", "items": map[string]any{"type": "string"}}}}
	case KindDay:
		return pattern(`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`)
	case KindReference:
		return pattern(`^(file|env|credential):.`)
	case KindHostPort:
		return pattern(`:[0-9]{1,5}$`)
	}
	return map[string]any{"type": []string{"string", "integer"}}
}

// limits adds default and limits to the schema of a value.
func (f *Field) limits(v map[string]any) map[string]any {
	switch f.Kind {
	case KindWhole:
		if n, err := strconv.Atoi(f.Default); err == nil {
			v["default"] = n
		}
		if n, err := strconv.Atoi(f.Least); err == nil {
			v["minimum"] = n
		}
		if n, err := strconv.Atoi(f.Most); err == nil {
			v["maximum"] = n
		}
	case KindFlag:
		v["default"] = f.Default == "true"
	default:
		if f.Default != "" {
			v["default"] = f.Default
		}
	}
	return v
}
