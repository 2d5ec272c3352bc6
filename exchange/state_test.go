package exchange

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the table in ARCHITECTURE.md")

// drawn writes Moves as ARCHITECTURE.md shows it.
func drawn() string {
	var b strings.Builder
	for _, from := range append([]State{""}, States()...) {
		var parts []string
		byTarget := map[State][]string{}
		for by, to := range Moves()[from] {
			byTarget[to] = append(byTarget[to], string(by))
		}
		for _, to := range slices.Sorted(maps.Keys(byTarget)) {
			slices.Sort(byTarget[to])
			parts = append(parts, fmt.Sprintf("%s ─→ %s", strings.Join(byTarget[to], ", "), to))
		}
		name := string(from)
		if from == "" {
			name = "(new)"
		}
		class := ""
		if from != "" {
			class = string(from.Class())
		}
		if len(parts) == 0 {
			parts = []string{"end"}
		}
		for i, part := range parts {
			if i > 0 {
				name, class = "", ""
			}
			fmt.Fprintf(&b, "%s\n", strings.TrimRight(fmt.Sprintf("%-12s %-12s %s", name, class, part), " "))
		}
	}
	return b.String()
}

func TestArchitectureShowsTheMoves(t *testing.T) {
	const path, begin, end = "../ARCHITECTURE.md", "<!-- moves -->\n```\n", "```\n<!-- /moves -->"
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(raw), begin)
	shown, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the table of moves", path)
	}
	if shown == drawn() {
		return
	}
	if *update {
		if err := os.WriteFile(path, []byte(before+begin+drawn()+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("the table of moves in %s is not that of Moves; run this test with -update and read the difference", path)
}

func TestEveryStateIsInTheTable(t *testing.T) {
	moves := Moves()
	reached := map[State]bool{}
	for from, by := range moves {
		if from != "" && !slices.Contains(States(), from) {
			t.Errorf("%q has moves and is not listed", from)
		}
		for _, to := range by {
			reached[to] = true
		}
	}
	for _, s := range States() {
		if _, ok := moves[s]; !ok {
			t.Errorf("%q has no row", s)
		}
		if !reached[s] {
			t.Errorf("%q cannot be reached", s)
		}
	}
}

// A delivery at rest for good must not be able to move unless an answer or an
// operator makes it.
func TestWhatIsAnsweredStaysSo(t *testing.T) {
	for _, s := range []State{Accepted, Rejected, Cancelled} {
		if len(Moves()[s]) != 0 {
			t.Errorf("%s can still move: %v", s, Moves()[s])
		}
	}
	if _, err := Next(Delivered, Begun); err == nil {
		t.Error("a delivered file can be sent again")
	}
	if to, err := Next(Uncontested, Refused); err != nil || to != Rejected {
		t.Error("a late FEHL does not reopen an uncontested delivery")
	}
	if to, err := Next(Accepted, Noted); err != nil || to != Accepted {
		t.Error("a note moved something")
	}
}

func TestEntitled(t *testing.T) {
	const nord, sued, centre = "260500005", "260500016", "260500027"
	now := time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)
	exceptions := []Mandate{
		{Account: "rz", Owner: nord, Physical: []string{centre}, Signers: []string{centre}, FKTSenders: []string{sued}, From: now.AddDate(0, -1, 0), Until: now.AddDate(0, 1, 0)},
		{Account: "other", Owner: nord, Signers: []string{sued}},
	}
	for _, c := range []struct {
		name string
		s    Speaker
		at   time.Time
		want string // part of the complaint; "" = entitled
	}{
		{"all the same", Speaker{Account: "nord", AccountIK: nord, Physical: nord, Owner: nord, Signers: []string{nord}, UNBSender: nord, FKTSenders: []string{nord}}, now, ""},
		{"another's file", Speaker{Account: "nord", AccountIK: nord, Physical: nord, Owner: sued}, now, "owner"},
		{"another's signature", Speaker{Account: "nord", AccountIK: nord, Physical: nord, Owner: nord, Signers: []string{sued}}, now, "signer not entitled"},
		{"another's UNB", Speaker{Account: "nord", AccountIK: nord, Physical: nord, Owner: nord, UNBSender: sued}, now, "UNB sender"},
		{"one foreign FKT among others", Speaker{Account: "nord", AccountIK: nord, Physical: nord, Owner: nord, FKTSenders: []string{nord, sued}}, now, "FKT sender"},
		{"the centre for its hospital", Speaker{Account: "rz", AccountIK: centre, Physical: centre, Owner: nord, Signers: []string{centre}, UNBSender: nord, FKTSenders: []string{nord, sued}}, now, ""},
		{"after the exception ended", Speaker{Account: "rz", AccountIK: centre, Physical: centre, Owner: nord}, now.AddDate(0, 1, 0), "owner"},
		{"an exception of another account", Speaker{Account: "nord", AccountIK: nord, Physical: nord, Owner: nord, Signers: []string{sued}}, now, "signer not entitled"},
		{"one of several IKs in the certificate", Speaker{Account: "nord", AccountIK: nord, Physical: nord, Owner: nord, Signers: []string{centre, nord}}, now, ""},
		{"a foreign physical sender", Speaker{Account: "nord", AccountIK: nord, Physical: sued, Owner: nord}, now, "physical sender"},
	} {
		got := Entitled(c.s, exceptions, c.at)
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
