package config

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// split lays down small.yaml as a main file, and more files in its folder.
func split(t testing.TB, more map[string]string) (path string) {
	t.Helper()
	dir := world(t)
	text, err := os.ReadFile("testdata/small.yaml")
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "gateway.yaml")
	put(t, path, "include: partners.d\n"+string(text))
	for name, text := range more {
		put(t, filepath.Join(dir, "partners.d", name), text)
	}
	return path
}

func put(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func load(t testing.TB, path string) (*File, Problems) {
	t.Helper()
	f, ps, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return f, ps
}

const partnerWest = `# Kasse West, since 2026
partners:
  - name: west
    ik: 260500038
    sftp: {address: west.example.org:22, user: nord, key: file:keys/ssh, known-hosts: keys/known_hosts, put: in}
    first-number: 7
routes:
  - {recipients: [260500038], mode: production, partner: west}
trust:
  exceptions:
    - {ik: 260500038, certificate: keys/kasse.pem}
`

// Rows of all files add up, in the order of the files' names; relative paths
// start at the main file.
func TestInclude(t *testing.T) {
	path := split(t, map[string]string{
		"b-west.yaml": partnerWest,
		"a-off.yaml":  "# partners:\n#   - name: switched off\n",
		".west.yaml":  "broken: [", "west.yaml~": "broken: [", "#west.yaml#": "broken: [", // what editors leave
		"c-ost.yml": strings.NewReplacer("west", "ost", "260500038", "260500049").Replace(partnerWest),
	})
	f, ps := load(t, path)
	if f == nil || len(ps) > 0 {
		t.Fatal(lines(ps))
	}
	if len(f.Partners) != 3 || f.Partners[1].Name != "west" || f.Partners[2].Name != "ost" || len(f.Routes) != 3 || f.Routes[2].Partner != "ost" ||
		f.Routes[2].Name != "route 3" || len(f.Trust.Exceptions) != 2 || len(f.Trust.Roots) != 1 {
		t.Errorf("%+v\n%+v", f.Partners, f.Routes)
	}
	hash := f.Hash
	if again, _ := load(t, path); again.Hash != hash || len(hash) != 64 {
		t.Errorf("hash %s, then %s", hash, again.Hash)
	}
	put(t, filepath.Join(filepath.Dir(path), "partners.d", "c-ost.yml"), partnerWest[:strings.Index(partnerWest, "partners:")])
	if again, _ := load(t, path); again.Hash == hash || len(again.Partners) != 2 {
		t.Error("the hash does not see an included file")
	}
}

// Every problem names the file it stands in, and counts rows as that file does.
func TestIncludeProblems(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		also  func(t *testing.T, folder string)
		want  string // all problems, without excerpts
	}{
		"in a row": {map[string]string{"west.yaml": strings.Replace(partnerWest, "first-number: 7", "frist-number: 7", 1)}, nil,
			`west.yaml:3:5: warning: partners[0]: production files go to partner "west", and "first-number" is not set; give the number after the last one that was sent before, or 1 for a fresh start
west.yaml:6:5: partners[0]: unknown key "frist-number"; did you mean "first-number"?
`},
		"a name that is taken in another file": {map[string]string{"a.yaml": partnerWest, "b.yaml": partnerWest}, nil,
			`b.yaml:3:11: partners[0].name: the name "west" is taken; by a.yaml:3; choose another
b.yaml:5:110: partners[0].sftp.put: the same folder of the same server as a.yaml:5; each needs a folder of its own
b.yaml:8:5: routes[0]: no file can reach this route, "route 2" (a.yaml:8) takes them all; move it up, or remove it
b.yaml:11:12: trust.exceptions[0].ik: IK 260500038 has an exception already; in a.yaml:11; keep one
`},
		"two files that are not YAML, and what refers to their rows is not blamed": {
			map[string]string{"a.yaml": "partners: [\n", "b.yaml": "\tx", "c.yaml": "routes: [{mode: test, partner: elsewhere}]\n"}, nil,
			`a.yaml:1:1: not YAML: a value is missing here; check commas and brackets
b.yaml:1:1: not YAML: a tab stands before the first word; indent with blanks
`},
		"half-written": {map[string]string{"a.yaml": ""}, nil,
			"a.yaml:1:1: the file holds no configuration; was it saved completely? remove it, or give it rows\n"},
		"a key that stands once": {map[string]string{"a.yaml": "spool: state/spool\nledger: other.db\ninclude: more.d\n", "b.yaml": "spool: third\n"}, nil,
			`a.yaml:3:1: include stands in the main file only; remove it
b.yaml:1:1: spool: key "spool" is set twice; first in a.yaml:1; keep one
`},
		"a section twice in one file": {map[string]string{"a.yaml": "routes: []\nroutes: []\n"}, nil,
			`a.yaml:2:1: routes: key "routes" is set twice; first in gateway.yaml:28; keep one
`},
		"a list that is none": {map[string]string{"a.yaml": "partners: west\n"}, nil,
			"a.yaml:1:11: partners: must be a list, not text\n"},
		"a list at the top": {map[string]string{"a.yaml": "- x\n"}, nil, "a.yaml:1:1: must be a mapping (key: value), not a list\n"},
		"another name":      {map[string]string{"west.yaml.bak": "x: [", "README": "x"}, nil, "gateway.yaml:1:10: warning: include: not read: README, west.yaml.bak; names end in .yaml or .yml\n"},
		"a link to nothing": {nil, func(t *testing.T, folder string) {
			if err := os.Symlink("nowhere.yaml", filepath.Join(folder, "a.yaml")); err != nil {
				t.Fatal(err)
			}
		}, "a.yaml:1:1: is a symbolic link to something that does not exist\n"},
		"a link in a circle": {nil, func(t *testing.T, folder string) {
			if err := os.Symlink("a.yaml", filepath.Join(folder, "a.yaml")); err != nil {
				t.Fatal(err)
			}
		}, "a.yaml:1:1: too many levels of symbolic links\n"},
		"a link to a file": {map[string]string{"../west.yaml": partnerWest}, func(t *testing.T, folder string) {
			if err := os.Symlink("../west.yaml", filepath.Join(folder, "a.yaml")); err != nil {
				t.Fatal(err)
			}
		}, ""},
		"a pipe": {nil, func(t *testing.T, folder string) {
			if err := syscall.Mkfifo(filepath.Join(folder, "a.yaml"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "a.yaml:1:1: is not a regular file\n"},
		"a folder": {nil, func(t *testing.T, folder string) {
			if err := os.Mkdir(filepath.Join(folder, "a.yaml"), 0o700); err != nil {
				t.Fatal(err)
			}
		}, "a.yaml:1:1: is not a regular file\n"},
		"writable by everybody": {map[string]string{"a.yaml": partnerWest}, func(t *testing.T, folder string) {
			if err := os.Chmod(filepath.Join(folder, "a.yaml"), 0o606); err != nil {
				t.Fatal(err)
			}
		}, "a.yaml:1:1: may be written by everybody (mode 0606); chmod o-w FOLDER/a.yaml\n"},
		"no folder": {nil, func(t *testing.T, folder string) {
			if err := os.Remove(folder); err != nil {
				t.Fatal(err)
			}
		}, "gateway.yaml:1:10: include: partners.d: does not exist\n"},
	} {
		t.Run(name, func(t *testing.T) {
			path := split(t, c.files)
			folder := filepath.Join(filepath.Dir(path), "partners.d")
			if c.also != nil {
				c.also(t, folder)
			}
			f, ps := load(t, path)
			var got strings.Builder
			for _, p := range ps {
				got.WriteString(p.String() + "\n")
			}
			plain := strings.NewReplacer("chmod o-w "+folder, "chmod o-w FOLDER", folder+"/", "", filepath.Dir(path)+"/", "").Replace(got.String())
			if plain != c.want || (f == nil) != (ps.Err() != nil) {
				t.Errorf("got\n%swant\n%s", plain, c.want)
			}
		})
	}
}

// A main file that everybody may write, that is no file, or that a link loses.
func TestLoadRefusesByName(t *testing.T) {
	path := split(t, nil)
	if err := os.Chmod(path, 0o602); err != nil {
		t.Fatal(err)
	}
	if f, ps := load(t, path); f != nil || len(ps) != 1 || ps[0].Code != CodePermission {
		t.Errorf("%v\n%s", f, lines(ps))
	}
	link := path + ".link"
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if f, ps := load(t, link); f == nil {
		t.Errorf("a link to a good file: %s", lines(ps))
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	for what, want := range map[string]string{link: "a symbolic link to something that does not exist", filepath.Dir(path): "not a regular file"} {
		if _, _, err := Load(what); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
