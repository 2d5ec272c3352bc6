package main

import (
	"bytes"
	"database/sql"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"gateway301/web"
)

// What page, metrics and status tell after the demo is what the demo did.
func TestWatchingTheDemo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	var out, errOut bytes.Buffer
	if code := run(t.Context(), []string{"demo", "--json", "--dir", dir}, nil, &out, &errOut); code != exitDone {
		t.Fatalf("exit %d\n%s", code, errOut.String())
	}
	file, err := load(filepath.Join(dir, "hospital", "gateway.yaml"), &errOut)
	if err != nil {
		t.Fatal(err)
	}
	g, err := assemble(t.Context(), file, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	defer g.close()
	ask := func(path string) (int, string) {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "http://127.0.0.1"+path, nil)
		web.Handler(&shownOverHTTP{g, time.Now()}).ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	if code, body := ask("/readyz"); code != 200 {
		t.Errorf("readyz: %d %s", code, body)
	}
	if code, body := ask("/night"); code != 503 || !strings.Contains(body, "kis: 1 held") || !strings.Contains(body, "musterkasse: 1 rejected") {
		t.Errorf("night: %d %s", code, body)
	}
	_, metrics := ask("/metrics")
	for _, want := range []string{
		`gateway_deliveries{class="held",direction="out",state="held"} 1`,
		`gateway_deliveries{class="rejected",direction="out",state="rejected"} 1`,
		`gateway_deliveries{class="accepted",direction="out",state="accepted"} 10`,
		`gateway_ledger_imbalance 0`, `gateway_partner_stopped{partner="musterkasse"} 0`,
		`gateway_partner_last_success_timestamp_seconds{direction="in",partner="musterkasse"}`,
		`gateway_partner_last_success_timestamp_seconds{direction="out",partner="musterkasse"}`,
		`gateway_certificate_expiry_timestamp_seconds{ik="260500005",owner="own"}`,
		`gateway_certificate_expiry_timestamp_seconds{ik="109910000",owner="partner"}`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no %s", want)
		}
	}
	if strings.Contains(metrics, ".edi") {
		t.Error("a file name is in the metrics")
	}
	if _, page := ask("/?lang=de"); !strings.Contains(page, "1 Lieferung angehalten: kis") || strings.Contains(page, ".edi") {
		t.Errorf("page:\n%s", page)
	}
	// A row that somebody deleted by hand is seen.
	db, err := sql.Open("sqlite", file.Ledger)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("DELETE FROM delivery WHERE id = 1"); err != nil {
		t.Fatal(err)
	}
	if code, body := ask("/readyz"); code != 503 || !strings.Contains(body, "out by 1") {
		t.Errorf("a missing row: %d %s", code, body)
	}
}
