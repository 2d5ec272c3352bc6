package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// documented reads the dialect out of doc.go: section path → key → what stands
// behind the #.
func documented(t *testing.T) map[string]map[string]string {
	t.Helper()
	source, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`^//\t( *)(- )?([a-z-]+):(.*)$`)
	keys := map[string]map[string]string{}
	var path []string // keys that stand to the left, and where
	var columns []int
	for _, text := range strings.Split(string(source), "\n") {
		m := line.FindStringSubmatch(text)
		if m == nil {
			continue
		}
		column := len(m[1]) + len(m[2])
		for len(columns) > 0 && columns[len(columns)-1] >= column {
			path, columns = path[:len(path)-1], columns[:len(columns)-1]
		}
		section := strings.Join(path, ".")
		if keys[section] == nil {
			keys[section] = map[string]string{}
		}
		_, words, _ := strings.Cut(m[4], "#")
		if _, again := keys[section][m[3]]; again {
			t.Errorf("doc.go has %s.%s twice", section, m[3])
		}
		keys[section][m[3]] = strings.TrimSpace(words)
		path, columns = append(path, m[3]), append(columns, column)
		if strings.Contains(words, "default") == strings.Contains(words, "required") && // exactly one of the two
			!slices.Contains([]string{"trust", "outboxes", "partners", "retry", "routes", "speaks-for", "checks", "sftp", "folder", "host-keys", "known-hosts"}, m[3]) {
			t.Errorf("doc.go: %s.%s needs its default, or that it is required: %q", section, m[3], words)
		}
	}
	return keys
}

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
	var plant func(n *yaml.Node)
	plant = func(n *yaml.Node) {
		for _, c := range n.Content {
			plant(c)
		}
		if n.Kind == yaml.MappingNode {
			n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: "qqqqqqqqqqqqqqqqqqqqqqqq"}, &yaml.Node{Kind: yaml.ScalarNode, Value: "1"})
		}
	}
	plant(&doc)
	planted, err := yaml.Marshal(&doc)
	if err != nil {
		t.Fatal(err)
	}
	_, ps := parse(t, filepath.Join(world(t), "planted.yaml"), string(planted))
	index := regexp.MustCompile(`\[\d+\]`)
	keys := map[string][]string{}
	for _, p := range ps {
		if list, ok := strings.CutPrefix(p.Fix, "possible: "); ok && p.Code == CodeUnknownKey {
			keys[index.ReplaceAllString(p.Path, "")] = strings.Split(list, ", ")
		}
	}
	return keys
}

// What the loader asks for, what doc.go describes and what full.yaml shows are
// the same keys.
func TestDialectIsDocumented(t *testing.T) {
	credentials(t)
	known, docs := asked(t), documented(t)
	if len(known) < 12 {
		t.Fatalf("only %d sections: %v", len(known), known)
	}
	shown := map[string]map[string]bool{}
	text, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	var walk func(n *yaml.Node, path string)
	walk = func(n *yaml.Node, path string) {
		if n.Kind != yaml.MappingNode {
			for _, c := range n.Content {
				walk(c, path)
			}
			return
		}
		if shown[path] == nil {
			shown[path] = map[string]bool{}
		}
		for i := 0; i < len(n.Content); i += 2 {
			shown[path][n.Content[i].Value] = true
			walk(n.Content[i+1], strings.TrimPrefix(path+"."+n.Content[i].Value, "."))
		}
	}
	walk(&doc, "")
	for section, keys := range known {
		for _, key := range keys {
			if _, ok := docs[section][key]; !ok {
				t.Errorf("doc.go does not describe %s.%s", section, key)
			}
			if !shown[section][key] {
				t.Errorf("full.yaml does not show %s.%s", section, key)
			}
		}
	}
	for section, keys := range docs {
		for key := range keys {
			if !slices.Contains(known[section], key) {
				t.Errorf("doc.go describes %s.%s, which the loader does not know", section, key)
			}
		}
	}
}

// Writing a documented default into the file changes nothing.
func TestDefaultsAreDocumented(t *testing.T) {
	dir := world(t)
	text, err := os.ReadFile("testdata/small.yaml")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "gateway.yaml")
	plain, ps := parse(t, path, string(text))
	if plain == nil {
		t.Fatal(lines(ps))
	}
	partner, outbox, sftp := "    first-number: 1\n", "    mode: production\npartners", "      put: in\n"
	identity := "    inbox: inbox/nord\n"
	docs := documented(t)
	for _, c := range []struct{ section, key, value, after string }{
		{"", "ledger", "ledger.db", ""},
		{"", "spool", "spool", ""},
		{"", "time-zone", "Europe/Berlin", ""},
		{"", "disk-floor", "256MiB", ""},
		{"identities", "own-copy", "false", identity},
		{"outboxes", "looks", "3", outbox},
		{"outboxes", "every", "2s", outbox},
		{"outboxes", "max-size", "4GiB", outbox},
		{"partners.sftp", "temporary", "suffix", sftp},
		{"partners.sftp", "connect-timeout", "20s", sftp},
		{"partners.sftp", "stall-timeout", "1m", sftp},
		{"partners", "grace", "15m", partner},
		{"partners", "collect", "always", partner},
		{"partners", "collect-every", "5m", partner},
		{"partners", "incomplete-after", "1h", partner},
		{"partners", "answers", "errors-only", partner},
		{"partners", "answer-period", "14d", partner},
		{"partners", "creation-time", "shared", partner},
		{"partners", "order", "strict", partner},
		{"partners", "when-vanished", "operator", partner},
		{"partners", "positive", "false", partner},
		{"partners", "answer-profile", "gateway301", partner},
		{"partners.retry", "first", "30s", partner},
		{"partners.retry", "max", "30m", partner},
		{"partners.retry", "attempts", "20", partner},
	} {
		if !strings.HasSuffix(docs[c.section][c.key], "default "+c.value) {
			t.Errorf("doc.go says of %s.%s: %q, want it to end in \"default %s\"", c.section, c.key, docs[c.section][c.key], c.value)
		}
		setting := c.key + ": " + c.value + "\n"
		var written string
		switch {
		case c.after == "":
			written = setting + string(text)
		case strings.HasSuffix(c.section, "retry"):
			written = strings.Replace(string(text), c.after, c.after+"    retry: {"+strings.TrimSpace(setting)+"}\n", 1)
		case c.after == outbox:
			written = strings.Replace(string(text), c.after, "    mode: production\n    "+setting+"partners", 1)
		default:
			indent := c.after[:len(c.after)-len(strings.TrimLeft(c.after, " "))]
			written = strings.Replace(string(text), c.after, c.after+indent+setting, 1)
		}
		if written == string(text) {
			t.Fatalf("%s was not written", setting)
		}
		f, ps := parse(t, path, written)
		if f == nil {
			t.Errorf("%s\n%s", setting, lines(ps))
			continue
		}
		if !reflect.DeepEqual(comparable(f), comparable(plain)) {
			t.Errorf("%s changes something", setting)
		}
	}
	words := docs["outboxes"]["ignore"]
	if !strings.HasSuffix(words, "default "+strings.Join(plain.Outboxes[0].Ignore, " ")) {
		t.Errorf("ignore: %q for %v", words, plain.Outboxes[0].Ignore)
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
