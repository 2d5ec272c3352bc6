package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// asked finds out which keys the loader knows: an unknown key in each section of
// full.yaml makes it list them.
func asked(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	var sow func(n *yaml.Node)
	sow = func(n *yaml.Node) {
		for _, c := range n.Content {
			sow(c)
		}
		if n.Kind == yaml.MappingNode {
			n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: "qqqqqqqqqqqqqqqqqqqqqqqq"}, &yaml.Node{Kind: yaml.ScalarNode, Value: "1"})
		}
	}
	sow(&doc)
	planted, err := yaml.Marshal(&doc)
	if err != nil {
		t.Fatal(err)
	}
	_, ps := parse(t, filepath.Join(world(t), "planted.yaml"), string(planted))
	keys := map[string][]string{}
	for _, p := range ps {
		if list, ok := strings.CutPrefix(p.Fix, "possible: "); ok && p.Code == CodeUnknownKey {
			keys[index.ReplaceAllString(p.Path, "")] = strings.Split(list, ", ")
		}
	}
	return keys
}

// What the loader asks for, what dialect.yaml explains and what full.yaml shows
// are the same keys.
func TestDialectIsExplained(t *testing.T) {
	credentials(t)
	known := asked(t)
	if len(known) < 12 {
		t.Fatalf("only %d sections: %v", len(known), known)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(dialectYAML), &doc); err != nil {
		t.Fatalf("dialect.yaml: %v", err)
	}
	fields := map[string]*Field{}
	for _, f := range Fields() {
		fields[f.Path()] = &f
		inner := f.Kind == KindSection || f.Kind == KindRows
		switch {
		case f.Kind == "":
			t.Errorf("%s: its form is not noted: read it by one of the functions in value.go, or call note", f.Path())
		case f.About == "" || strings.HasSuffix(f.About, "."):
			t.Errorf("%s: dialect.yaml does not say what it is for (KEY: EXAMPLE # words, without a full stop)", f.Path())
		case !inner && f.Example == "":
			t.Errorf("%s: dialect.yaml gives no example", f.Path())
		}
		if !slices.Contains(known[f.Section], f.Key) {
			t.Errorf("%s is described, but with full.yaml the loader does not ask for it", f.Path())
		}
	}
	seen := map[string]bool{}
	for _, f := range explained(dialectYAML) {
		if fields[f.Path()] == nil {
			t.Errorf("dialect.yaml explains %s, which the loader does not know", f.Path())
		}
		if seen[f.Path()] {
			t.Errorf("dialect.yaml explains %s twice", f.Path())
		}
		seen[f.Path()] = true
	}
	shown := keysIn(t, "testdata/full.yaml")
	for section, keys := range known {
		for _, key := range keys {
			path := strings.TrimPrefix(section+"."+key, ".")
			if fields[path] == nil {
				t.Errorf("%s is asked for, but not when the loader is described: ask for it whatever else is set", path)
			}
			if !shown[path] {
				t.Errorf("full.yaml does not show %s", path)
			}
		}
	}
}

// keysIn gives the paths of all keys in a file.
func keysIn(t *testing.T, file string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	keys := map[string]bool{}
	var walk func(n *yaml.Node, path string)
	walk = func(n *yaml.Node, path string) {
		if n.Kind != yaml.MappingNode {
			for _, c := range n.Content {
				walk(c, path)
			}
			return
		}
		for i := 0; i < len(n.Content); i += 2 {
			key := strings.TrimPrefix(path+"."+n.Content[i].Value, ".")
			keys[key] = true
			walk(n.Content[i+1], key)
		}
	}
	walk(&doc, "")
	return keys
}

// Writing a default into the file changes nothing.
func TestDefaults(t *testing.T) {
	text, err := os.ReadFile("testdata/small.yaml")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(world(t), "gateway.yaml")
	plain, ps := parse(t, path, string(text))
	if plain == nil {
		t.Fatal(lines(ps))
	}
	written := 0
	for _, f := range Fields() {
		if f.Default == "" || strings.HasPrefix(f.Section, "server") || f.Section == "partners.folder" || f.Section == "partners.pgp-keys" || f.Section == "alerts.mail" || strings.HasPrefix(f.Section, "trust.") {
			continue
		}
		var doc yaml.Node
		if err := yaml.Unmarshal(text, &doc); err != nil {
			t.Fatal(err)
		}
		if !plant(doc.Content[0], strings.Split(f.Path(), "."), defaultNode(f)) {
			continue // small.yaml sets it
		}
		planted, err := yaml.Marshal(&doc)
		if err != nil {
			t.Fatal(err)
		}
		written++
		g, ps := parse(t, path, string(planted))
		if g == nil {
			t.Errorf("%s: %s\n%s", f.Path(), f.Default, lines(ps))
		} else if !reflect.DeepEqual(comparable(g), comparable(plain)) {
			t.Errorf("%s: %s changes something", f.Path(), f.Default)
		}
	}
	if written < 20 {
		t.Errorf("only %d defaults were tried", written)
	}
}

// defaultNode writes a field's default as the file would.
func defaultNode(f Field) *yaml.Node {
	if f.Kind != KindList {
		return &yaml.Node{Kind: yaml.ScalarNode, Value: f.Default}
	}
	n := &yaml.Node{Kind: yaml.SequenceNode}
	for _, v := range strings.Fields(f.Default) {
		n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: v, Style: yaml.DoubleQuotedStyle})
	}
	return n
}

// plant sets a key in every row that its path leads to; false if one has it.
func plant(n *yaml.Node, path []string, value *yaml.Node) bool {
	if n.Kind == yaml.SequenceNode {
		for _, c := range n.Content {
			if !plant(c, path, value) {
				return false
			}
		}
		return true
	}
	for i := 0; i < len(n.Content); i += 2 {
		if n.Content[i].Value == path[0] {
			return len(path) > 1 && plant(n.Content[i+1], path[1:], value)
		}
	}
	if len(path) > 1 {
		m := &yaml.Node{Kind: yaml.MappingNode}
		plant(m, path[1:], value)
		value = m
	}
	n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: path[0]}, value)
	return true
}

// docs/configuration.md and docs/gateway.schema.json are what the loader says today.
func TestReference(t *testing.T) {
	schema, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	for file, got := range map[string]string{"../docs/configuration.md": Reference(), "../docs/gateway.schema.json": string(schema)} {
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil || got != string(want) {
			t.Errorf("%s is not what the loader says; run 'go test ./config -run Reference -update' (%v)", file, err)
		}
	}
}

// The published schema takes what the loader takes, and refuses a wrong key and a
// wrong type, as a validator of JSON Schema judges it.
func TestSchema(t *testing.T) {
	text, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("gateway.schema.json", parsed); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("gateway.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	good, err := filepath.Glob("testdata/doubtful/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(good, "testdata/full.yaml", "testdata/small.yaml", "testdata/smallest.yaml") {
		if err := schema.Validate(asJSON(t, file)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	for _, name := range []string{"unknown-key", "unknown-section", "unknown-order", "duration-without-unit", "looks-with-unit", "ik-too-short",
		"text-instead-of-bool", "number-out-of-range", "section-is-text", "row-is-text", "partner-without-ik", "password-in-the-file", "listed-twice"} {
		if err := schema.Validate(asJSON(t, "testdata/bad/"+name+".yaml")); err == nil {
			t.Errorf("the schema takes %s", name)
		}
	}
}

// asJSON reads a YAML file as an editor's language server does: dates stay text.
func asJSON(t *testing.T, file string) any {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		if n.ShortTag() == "!!timestamp" {
			n.Tag = "!!str"
		}
		for i, c := range n.Content {
			if n.Kind == yaml.MappingNode && i%2 == 0 {
				c.Tag = "!!str" // keys are text in JSON
			}
			walk(c)
		}
	}
	walk(&doc)
	var v any
	if err := doc.Decode(&v); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	out, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A hospital with one partner needs fewer than 25 lines.
func TestSmallest(t *testing.T) {
	text, err := os.ReadFile("testdata/smallest.yaml")
	if err != nil {
		t.Fatal(err)
	}
	f, ps := parse(t, filepath.Join(world(t), "gateway.yaml"), string(text))
	if f == nil || len(ps) > 0 {
		t.Fatal(lines(ps))
	}
	if n := strings.Count(string(text), "\n"); n >= 25 {
		t.Errorf("%d lines", n)
	}
	if len(f.Outboxes) != 1 || f.Outboxes[0].Owner != f.Identities[0].IK || len(f.Routes) != 1 || !f.Partners[0].Collected() || !f.Partners[0].sends() {
		t.Errorf("%+v", f)
	}
}

// comparable makes windows and zones comparable by what they say.
func comparable(f *File) string {
	g := *f
	var b strings.Builder
	g.Partners = slices.Clone(g.Partners)
	for i := range g.Partners {
		p := &g.Partners[i]
		fmt.Fprintf(&b, "%v %v %v %+v %d\n", p.Window, p.Collect, p.SFTP.Temporary, *p.SFTP, *p.First)
		p.SFTP, p.First = nil, nil
	}
	fmt.Fprintf(&b, "%v %+v %+v %+v", g.TimeZone, g.Partners, g.Outboxes, g.Routes)
	fmt.Fprintf(&b, "%v %v %v %+v %+v", g.Ledger, g.Spool, g.DiskFloor, g.Identities, g.Trust)
	return b.String()
}
