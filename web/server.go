package web

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"log"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"gateway301/exchange"
)

// ErrNotLoopback refuses to show anything to other machines.
var ErrNotLoopback = errors.New("is not an address of this machine alone: write 127.0.0.1:PORT or [::1]:PORT")

// CheckAddress reports whether addr ("127.0.0.1:9301") is one to listen on. The
// error wraps [ErrNotLoopback].
func CheckAddress(addr string) error {
	at, err := netip.ParseAddrPort(addr)
	if err != nil || !at.Addr().IsLoopback() {
		return fmt.Errorf("%q %w", addr, ErrNotLoopback)
	}
	return nil
}

// patience is how long the ledger may take.
const patience = 10 * time.Second

// Handler answers the paths that doc.go lists.
func Handler(source Source) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(&metrics{source}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	s := &server{source: source, pages: map[bool]*template.Template{true: newPage(true), false: newPage(false)}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.page)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", s.ready)
	mux.HandleFunc("GET /night", s.night)
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	return guard(mux)
}

// Serve answers on l until ctx ends.
func Serve(ctx context.Context, l net.Listener, source Source) error {
	server := &http.Server{
		Handler: Handler(source), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: log.New(discard{}, "", 0), // says nothing but what strangers sent
	}
	stop := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		server.Shutdown(grace)
	})
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// guard keeps a page of somebody else in a browser on this machine from reading
// ours: only requests to a loopback name are answered (DNS rebinding), and no
// page may embed or script it.
func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		if addr, err := netip.ParseAddr(strings.Trim(host, "[]")); host != "localhost" && (err != nil || !addr.IsLoopback()) {
			http.Error(w, "ask for localhost", http.StatusMisdirectedRequest)
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

type server struct {
	source Source
	pages  map[bool]*template.Template // German or not
}

// snapshot asks the source in the language of the request; without an answer it
// has said so already.
func (s *server) snapshot(w http.ResponseWriter, r *http.Request) (Snapshot, bool, bool) {
	german := speaksGerman(r)
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	snap, err := s.source.Snapshot(ctx, german)
	if err != nil {
		http.Error(w, "the ledger does not answer", http.StatusServiceUnavailable)
		return snap, german, false
	}
	return snap, german, true
}

// speaksGerman reports whether German stands before English in what the browser
// or ?lang= asks for.
func speaksGerman(r *http.Request) bool {
	if lang := r.URL.Query().Get("lang"); lang != "" {
		return strings.HasPrefix(lang, "de")
	}
	accepted := strings.ToLower(r.Header.Get("Accept-Language"))
	de, en := strings.Index(accepted, "de"), strings.Index(accepted, "en")
	return de >= 0 && (en < 0 || de < en)
}

func (s *server) ready(w http.ResponseWriter, r *http.Request) {
	snap, _, ok := s.snapshot(w, r)
	if !ok {
		return
	}
	switch {
	case snap.Imbalance != 0:
		http.Error(w, fmt.Sprintf("the balance is out by %d", snap.Imbalance), http.StatusServiceUnavailable)
	case snap.SpoolFree < snap.DiskFloor:
		http.Error(w, "less free space than disk-floor: intake pauses", http.StatusServiceUnavailable)
	default:
		fmt.Fprintln(w, "ready")
	}
}

func (s *server) night(w http.ResponseWriter, r *http.Request) {
	snap, _, ok := s.snapshot(w, r)
	if !ok {
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if !snap.Night.Complete {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintf(w, "%s incomplete\n%s\n", snap.Night.Date, strings.Join(snap.Night.Missing, "\n"))
		return
	}
	fmt.Fprintf(w, "%s complete\n", snap.Night.Date)
}

//go:embed page.html
var pageText string

// classes is the order in which the page shows them.
func classes() []exchange.Class {
	return []exchange.Class{
		exchange.InWork, exchange.ClassHeld, exchange.ClassQuarantined, exchange.ClassDelivered,
		exchange.ClassUncontested, exchange.ClassAccepted, exchange.ClassRejected, exchange.ClassCancelled,
	}
}

func (s *server) page(w http.ResponseWriter, r *http.Request) {
	snap, german, ok := s.snapshot(w, r)
	if !ok {
		return
	}
	type tally struct {
		Name    string
		N       int
		Trouble bool
	}
	var sum []tally
	total := 0
	for _, c := range classes() {
		n := snap.Classes()[c]
		total += n
		trouble := n > 0 && (c == exchange.ClassHeld || c == exchange.ClassQuarantined || c == exchange.ClassRejected)
		sum = append(sum, tally{className(c, german), n, trouble})
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	s.pages[german].Execute(w, struct {
		Snapshot
		German bool
		Sum    []tally
		Total  int
	}{snap, german, sum, total})
}

func newPage(german bool) *template.Template {
	return template.Must(template.New("page").Funcs(template.FuncMap{
		"say": func(de, en string) string {
			if german {
				return de
			}
			return en
		},
		"when": func(t time.Time) string {
			if t.IsZero() {
				return "–"
			}
			return t.Format("02.01. 15:04")
		},
		"gib": func(n int64) string { return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30)) },
	}).Parse(pageText))
}

// className is a class as operators call it.
func className(c exchange.Class, german bool) string {
	if !german {
		return string(c)
	}
	return map[exchange.Class]string{
		exchange.InWork: "in Arbeit", exchange.ClassHeld: "angehalten", exchange.ClassQuarantined: "Quarantäne", exchange.ClassDelivered: "zugestellt",
		exchange.ClassUncontested: "unbeanstandet", exchange.ClassAccepted: "angenommen", exchange.ClassRejected: "abgewiesen", exchange.ClassCancelled: "zurückgezogen",
	}[c]
}
