package web

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"gateway301/exchange"
)

type source struct {
	snap Snapshot
	err  error
}

func (s *source) Snapshot(context.Context, bool) (Snapshot, error) { return s.snap, s.err }

func sampleSnapshot() Snapshot {
	at := time.Date(2026, 11, 24, 6, 30, 0, 0, time.UTC)
	return Snapshot{
		At: at, Started: at.Add(-time.Hour), Version: "1.0", Host: "nord", ConfigHash: "3f2a",
		Sums: map[exchange.Direction]map[exchange.State]int{
			exchange.Out: {exchange.Held: 2, exchange.Sealed: 3, exchange.Accepted: 40, exchange.Overdue: 1},
			exchange.In:  {exchange.Accepted: 7},
		},
		Night: Night{Date: "2026-11-24", Missing: []string{"kasse: 2 held", "<script>alert(1)</script>"}},
		Partners: []Partner{{Name: "kasse", Waiting: 3, OldestWaiting: at.Add(-90 * time.Minute), LastSent: at.Add(-time.Hour),
			Collects: true, Attempts: map[string]int64{"delivered": 40, "line": 2}}},
		Outboxes:  []Outbox{{Name: "kis", Events: 5, Rescans: 100, ByEvent: 4, ByRescan: 39}},
		Alarms:    []Alarm{{Key: "held/kasse", What: "2 deliveries held: kasse", Next: "gateway queue list", Since: at}},
		Keys:      []Certificate{{IK: "260500005", Own: true, NotAfter: at.AddDate(0, 1, 0)}},
		SpoolFree: 20 << 30, DiskFloor: 1 << 30,
	}
}

func get(t *testing.T, s Source, path string, header ...string) (int, string) {
	t.Helper()
	r := httptest.NewRequest("GET", "http://127.0.0.1:9301"+path, nil)
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	Handler(s).ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestPathsAndCodes(t *testing.T) {
	good := sampleSnapshot()
	good.Night = Night{Date: "2026-11-24", Complete: true}
	full := good
	full.SpoolFree = 1
	out := good
	out.Imbalance = 1
	for _, c := range []struct {
		name, path string
		source     source
		code       int
		want       string
	}{
		{"alive", "/healthz", source{err: errors.New("x")}, 200, "ok"},
		{"ready", "/readyz", source{snap: good}, 200, "ready"},
		{"ledger away", "/readyz", source{err: errors.New("secret path")}, 503, "the ledger does not answer"},
		{"disk full", "/readyz", source{snap: full}, 503, "disk-floor"},
		{"out of balance", "/readyz", source{snap: out}, 503, "out by 1"},
		{"night complete", "/night", source{snap: good}, 200, "2026-11-24 complete"},
		{"night not complete", "/night", source{snap: sampleSnapshot()}, 503, "kasse: 2 held"},
		{"no such page", "/queue", source{snap: good}, 404, ""},
		{"page without a ledger", "/", source{err: errors.New("secret path")}, 503, "does not answer"},
	} {
		code, body := get(t, &c.source, c.path)
		if code != c.code || !strings.Contains(body, c.want) || strings.Contains(body, "secret") {
			t.Errorf("%s: %d %q, want %d %q", c.name, code, body, c.code, c.want)
		}
	}
}

func TestOnlyThisMachineIsAnswered(t *testing.T) {
	s := &source{snap: sampleSnapshot()}
	for host, want := range map[string]int{"localhost:9301": 200, "[::1]:9301": 200, "127.0.0.1": 200, "evil.example:9301": 421, "10.0.0.1": 421, "localhost.evil.example": 421} {
		if code, _ := get(t, s, "/", "Host", host); code != want {
			t.Errorf("%s: %d, want %d", host, code, want)
		}
	}
	for addr, ok := range map[string]bool{"127.0.0.1:9301": true, "[::1]:9301": true, "0.0.0.0:9301": false, ":9301": false, "10.1.2.3:9301": false, "localhost:9301": false} {
		if err := CheckAddress(addr); (err == nil) != ok || err != nil && !errors.Is(err, ErrNotLoopback) {
			t.Errorf("%s: %v", addr, err)
		}
	}
	w := httptest.NewRecorder()
	Handler(s).ServeHTTP(w, httptest.NewRequest("POST", "http://127.0.0.1/", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", w.Code)
	}
}

func TestPageSpeaksTheReadersLanguageAndEscapes(t *testing.T) {
	s := &source{snap: sampleSnapshot()}
	_, de := get(t, s, "/", "Accept-Language", "de-DE,de;q=0.9,en;q=0.8")
	_, en := get(t, s, "/", "Accept-Language", "en-GB,en;q=0.9,de;q=0.8")
	if !strings.Contains(de, "ist nicht vollständig") || !strings.Contains(en, "is not complete") {
		t.Error("the page does not speak the language asked for")
	}
	if strings.Contains(en, "<script>") || !strings.Contains(en, "&lt;script&gt;") {
		t.Error("text of the snapshot is not escaped")
	}
	if !strings.Contains(en, "All files taken over: 53") {
		t.Error("the sum is wrong or missing")
	}
}

// promtool knows the conventions: names, units, help.
func TestMetricsAreWhatPrometheusExpects(t *testing.T) {
	promtool := lookPeer(t, "promtool")
	code, body := get(t, &source{snap: sampleSnapshot()}, "/metrics")
	if code != 200 {
		t.Fatal(code, body)
	}
	for _, want := range []string{
		`gateway_deliveries{class="held",direction="out",state="held"} 2`,
		`gateway_deliveries{class="in work",direction="out",state="taken"} 0`,
		`gateway_partner_oldest_waiting_seconds{partner="kasse"} 5400`,
		`gateway_partner_attempts_total{partner="kasse",result="delivered"} 40`,
		`gateway_outbox_taken_total{by="rescan",outbox="kis"} 39`,
		`gateway_certificate_expiry_timestamp_seconds{ik="260500005",owner="own"} 1.7980938e+09`,
		`gateway_answers_overdue 1`, `gateway_night_complete 0`, `gateway_ledger_up 1`, `gateway_alarms{acknowledged="no"} 1`,
		`gateway_info{config_hash="3f2a",version="1.0"} 1`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s", want)
		}
	}
	var ours strings.Builder
	for line := range strings.Lines(body) {
		if strings.Contains(line, "gateway_") {
			ours.WriteString(line)
		}
	}
	cmd := exec.Command(promtool, "check", "metrics")
	cmd.Stdin = strings.NewReader(ours.String())
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool: %v\n%s", err, out)
	}
	if _, body := get(t, &source{err: errors.New("x")}, "/metrics"); !strings.Contains(body, "gateway_ledger_up 0") {
		t.Error("a ledger that does not answer is not seen")
	}
}

func TestServeEndsWithItsContext(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- Serve(ctx, l, &source{snap: sampleSnapshot()}) }()
	res, err := http.Get("http://" + l.Addr().String() + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	res.Body.Close()
	if string(body) != "ok\n" {
		t.Errorf("%q", body)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
