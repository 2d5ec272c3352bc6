package annex

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

//go:embed data/procedures/*.yaml
var procedureFiles embed.FS

// ErrProcedure is wrapped by errors about a procedure profile.
var ErrProcedure = errors.New("procedure profile")

// A Procedure says in what a Verfahren differs from its siblings where the engine
// is the same. The data file of each explains its switches.
type Procedure struct {
	Name          string   `yaml:"name"`
	Title         string   `yaml:"title"`
	Verfahren     string   `yaml:"verfahren"`      // letters 2 to 4 of VERFAHREN_KENNUNG; empty: none
	UNA           bool     `yaml:"una"`            // a UNA is allowed
	Separators    string   `yaml:"separators"`     // characters 4 to 9 of UNA
	UNBDate       []int    `yaml:"unb-date"`       // digits of the date in UNB: 6, 8
	LogicalPrefix string   `yaml:"logical-prefix"` // of UNB 0026
	TestIndicator []string `yaml:"test-indicator"` // values of UNB 0035
	CountWidth    int      `yaml:"count-width"`    // of counts in UNT and UNZ, 0: unpadded
	FKT           bool     `yaml:"fkt"`            // a message begins with FKT as in § 301
	Messages      []string `yaml:"messages"`
}

// ProcedureNames are those that are built in.
func ProcedureNames() []string {
	names, _ := fs.Glob(procedureFiles, "data/procedures/*.yaml")
	for i, n := range names {
		names[i] = strings.TrimSuffix(strings.TrimPrefix(n, "data/procedures/"), ".yaml")
	}
	return names
}

// ProcedureProfile gives the profile of that name: "krh" is § 301. The error wraps
// [ErrProcedure] and names those that there are.
func ProcedureProfile(name string) (*Procedure, error) {
	b, err := procedureFiles.ReadFile("data/procedures/" + name + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("%w %q is not known; known: %s", ErrProcedure, name, strings.Join(ProcedureNames(), ", "))
	}
	return parseProcedure(b)
}

func parseProcedure(b []byte) (*Procedure, error) {
	var p Procedure
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(&p); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProcedure, err)
	}
	for _, rule := range []struct {
		broken bool
		text   string
	}{
		{p.Name == "" || p.Title == "", "name or title is empty"},
		{p.Verfahren != "" && !validVerfahren("E"+p.Verfahren+"0"), "verfahren must be three capital letters"},
		{len(p.Separators) != 6, "separators must be six characters"},
		{len(p.UNBDate) == 0 || slices.ContainsFunc(p.UNBDate, func(n int) bool { return n != 6 && n != 8 }), "unb-date must list 6, 8 or both"},
		{len(p.LogicalPrefix) > 8, "logical-prefix is longer than 8"},
		{p.CountWidth < 0 || p.CountWidth > 6, "count-width must be from 0 to 6"},
	} {
		if rule.broken {
			return nil, fmt.Errorf("%w %q: %s", ErrProcedure, p.Name, rule.text)
		}
	}
	return &p, nil
}

// krh is § 301 for who names no procedure: what the engine itself needs of it.
func krh() *Procedure {
	return &Procedure{Name: "krh", Verfahren: "KRH", UNA: true, LogicalPrefix: "KRH", FKT: true}
}

// Kennung is the VERFAHREN_KENNUNG for ECHT (production) or TEST; empty where the
// procedure has none.
func (p *Procedure) Kennung(production bool) string {
	switch {
	case p.Verfahren == "":
		return ""
	case production:
		return "E" + p.Verfahren + "0"
	}
	return "T" + p.Verfahren + "0"
}

// testIndicator reports whether a value of UNB is the test indicator, element 11,
// that the procedure has.
func (p *Procedure) testIndicator(element, component int, v []byte) bool {
	return element == 11 && component == 1 && slices.Contains(p.TestIndicator, string(v))
}
