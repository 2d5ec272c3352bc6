package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each file in testdata/doubtful can be used, and the .want beside it holds the
// warnings it brings; none for those that are right after all.
func TestDoubtful(t *testing.T) {
	dir := world(t)
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	files, err := filepath.Glob("testdata/doubtful/*.yaml")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			f, ps := parse(t, filepath.Join(dir, filepath.Base(file)), string(text))
			if f == nil || ps.Err() != nil {
				t.Errorf("not usable:\n%s", lines(ps))
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".want"
			if *update {
				if err := os.WriteFile(golden, []byte(lines(ps)), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got := lines(ps); got != string(want) {
				t.Errorf("got\n%swant\n%s", got, want)
			}
		})
	}
}

func TestFirstNumberNamesThePartner(t *testing.T) {
	text, err := os.ReadFile("testdata/doubtful/first-number-not-set.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, ps := parse(t, filepath.Join(world(t), "gateway.yaml"), string(text))
	if len(ps) != 1 || ps[0].Code != CodeFirstNumber || ps[0].Subject != "kasse" || ps[0].Severity != Warning {
		t.Fatalf("%+v", ps)
	}
	history := map[string]bool{"kasse": true}
	rest := ps.Without(func(p Problem) bool { return p.Code == CodeFirstNumber && history[p.Subject] })
	if len(rest) != 0 || len(ps) != 1 {
		t.Errorf("%d left, %d before", len(rest), len(ps))
	}
}
