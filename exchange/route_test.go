package exchange

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

func TestRouteMisses(t *testing.T) {
	day := func(d int) time.Time { return time.Date(2026, 11, d, 0, 0, 0, 0, time.UTC) }
	file := Question{Envelope: Envelope{Sender: "260500005", Recipient: "109910000", Types: []string{"AUFN", "RECH"}}, Mode: Test,
		FKTRecipients: []string{"109910000"}, Versions: []string{"16"}, Outbox: "nord", File: "rech-01.edi", Size: 1000, At: day(2)}
	empty := file
	empty.Envelope.Types = nil
	for _, c := range []struct {
		r    Route
		q    Question
		want string // key that misses; "" = fits
	}{
		{Route{Mode: Test}, file, ""},
		{Route{Mode: Production}, file, "mode"},
		{Route{Mode: Test, Recipients: []string{"109910000"}, Types: []string{"AUFN", "RECH", "ENTL"}}, file, ""},
		{Route{Mode: Test, Types: []string{"AUFN"}}, file, "types"},
		{Route{Mode: Test, Types: []string{"AUFN"}}, empty, "types"},
		{Route{Mode: Test, Recipients: []string{"109910011"}}, file, "recipients"},
		{Route{Mode: Test, Senders: []string{"260500016"}}, file, "senders"},
		{Route{Mode: Test, FKTRecipients: []string{"109910011"}}, file, "fkt-recipients"},
		{Route{Mode: Test, Versions: []string{"15"}}, file, "versions"},
		{Route{Mode: Test, Versions: []string{"15", "16"}, Outboxes: []string{"nord"}}, file, ""},
		{Route{Mode: Test, Outboxes: []string{"sued"}}, file, "outboxes"},
		{Route{Mode: Test, Files: []string{"aufn-*", "rech-??.edi"}}, file, ""},
		{Route{Mode: Test, Files: []string{"aufn-*"}}, file, "files"},
		{Route{Mode: Test, MinSize: 1000, MaxSize: 1000}, file, ""},
		{Route{Mode: Test, MinSize: 1001}, file, "min-size"},
		{Route{Mode: Test, MaxSize: 999}, file, "max-size"},
		{Route{Mode: Test, From: day(2), Until: day(3)}, file, ""},
		{Route{Mode: Test, From: day(3)}, file, "from"},
		{Route{Mode: Test, Until: day(2)}, file, "until"},
	} {
		m, misses := c.r.Misses(&c.q)
		if m.Key != c.want || misses != (c.want != "") || c.r.Fits(&c.q) == misses {
			t.Errorf("%+v: %v, want %q", c.r, m, c.want)
		}
		if row := NewTable([]Route{c.r}); (first(row.Find(&c.q)) != nil) == misses {
			t.Errorf("%+v: the table finds otherwise", c.r)
		}
	}
}

func TestTablePartners(t *testing.T) {
	table := NewTable([]Route{
		{Mode: Test, Recipients: []string{"1", "2"}, Partner: "a"}, {Mode: Test, Recipients: []string{"1"}, Partner: "b"},
		{Mode: Test, Recipients: []string{"1"}, Types: []string{"AUFN"}, Partner: "a"}, {Mode: Test, Partner: "rest"}, {Mode: Production, Recipients: []string{"1"}, Partner: "c"},
	})
	for _, c := range []struct {
		mode      Mode
		recipient string
		want      string
	}{{Test, "1", "[rest a b]"}, {Test, "2", "[rest a]"}, {Test, "3", "[rest]"}, {Test, "", "[rest]"}, {Production, "1", "[c]"}, {Production, "2", "[]"}} {
		if got := fmt.Sprint(table.Partners(c.mode, c.recipient)); got != c.want {
			t.Errorf("%s %s: %s, want %s", c.mode, c.recipient, got, c.want)
		}
	}
}

func first(r *Route, _ int) *Route { return r }

// linear is what a Table must find: the first row that fits.
func linear(routes []Route, q *Question) int {
	for i := range routes {
		if routes[i].Fits(q) {
			return i
		}
	}
	return -1
}

// The index finds what a look at each row would find, whatever the rows list.
func TestTableIsTheList(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	words := func(kind string, n int) []string {
		var out []string
		for range rnd.IntN(n + 1) {
			out = append(out, fmt.Sprintf("%s%d", kind, rnd.IntN(4)))
		}
		return out
	}
	maybe := func(v []string) []string {
		if rnd.IntN(2) == 0 {
			return nil
		}
		return v
	}
	found := 0
	for range 200 {
		routes := make([]Route, rnd.IntN(40))
		for i := range routes {
			routes[i] = Route{Mode: []Mode{Test, Production}[rnd.IntN(2)], Recipients: maybe(words("r", 3)), Senders: maybe(words("s", 3)), FKTRecipients: maybe(words("k", 4)),
				Types: maybe(words("t", 5)), Versions: maybe(words("v", 4)), Outboxes: maybe(words("o", 2)), MinSize: int64(rnd.IntN(3))}
			if rnd.IntN(20) == 0 { // longer than the index takes
				for j := range 5000 {
					routes[i].Recipients = append(routes[i].Recipients, fmt.Sprintf("r%d", j))
				}
			}
		}
		table := NewTable(routes)
		for range 50 {
			one := func(kind string) string { return fmt.Sprintf("%s%d", kind, rnd.IntN(4)) }
			q := Question{Envelope: Envelope{Recipient: one("r"), Sender: one("s"), Types: words("t", 2)}, Mode: []Mode{Test, Production}[rnd.IntN(2)],
				FKTRecipients: words("k", 2), Versions: words("v", 2), Outbox: one("o"), Size: int64(rnd.IntN(3))}
			want := linear(routes, &q)
			r, got := table.Find(&q)
			if got != want || (r == nil) != (want < 0) {
				t.Fatalf("row %d, want %d, for %+v", got, want, q)
			}
			if want >= 0 {
				found++
			}
		}
	}
	if found < 1000 {
		t.Errorf("only %d of 10,000 found a row", found)
	}
}

// manyRoutes is a table as a data centre has it: each hospital's rows for each
// Annahmestelle, and one for the rest.
func manyRoutes(n int) []Route {
	routes := make([]Route, n)
	for i := range routes {
		routes[i] = Route{Mode: Production, Senders: []string{fmt.Sprint(260500000 + i%100)}, Recipients: []string{fmt.Sprint(100000000 + i/100)},
			Types: []string{"AUFN", "VERL", "MBEG", "RECH", "ENTL"}}
	}
	return routes
}

// BenchmarkDecision compares the index with a look at each of 20,000 rows, for
// files whose rows are spread over the table, and reports how many times as fast it is
// ("x-linear"), and how much longer it takes than with 20 rows ("x-20-rows").
func BenchmarkDecision(b *testing.B) {
	const n = 20000
	ask := func(i, n int) *Question {
		return &Question{Mode: Production, Envelope: Envelope{Sender: fmt.Sprint(260500000 + i%100), Recipient: fmt.Sprint(100000000 + i/100), Types: []string{"AUFN", "RECH"}}}
	}
	few, many := manyRoutes(20), manyRoutes(n)
	small, large := NewTable(few), NewTable(many)
	questions, easy := make([]*Question, 256), make([]*Question, 256)
	for i := range questions {
		questions[i], easy[i] = ask(i*n/len(questions), n), ask(i%20, 20)
	}
	var byList, byIndex, byFew time.Duration
	for b.Loop() {
		start := time.Now()
		for _, q := range questions {
			if linear(many, q) < 0 {
				b.Fatal("not found")
			}
		}
		between := time.Now()
		const rounds = 100
		for range rounds {
			for _, q := range questions {
				if r, _ := large.Find(q); r == nil {
					b.Fatal("not found")
				}
			}
		}
		indexed := time.Now()
		for range rounds {
			for _, q := range easy {
				if r, _ := small.Find(q); r == nil {
					b.Fatal("not found")
				}
			}
		}
		byList, byIndex, byFew = byList+between.Sub(start), byIndex+indexed.Sub(between)/rounds, byFew+time.Since(indexed)/rounds
	}
	b.ReportMetric(float64(byList)/float64(byIndex), "x-linear")
	b.ReportMetric(float64(byIndex)/float64(byFew), "x-20-rows")
	b.ReportMetric(float64(byIndex.Nanoseconds())/float64(b.N*len(questions)), "ns/decision")
}
