package pipeline_test

import (
	"context"
	"testing"
	"time"

	"gateway301/exchange"
	"gateway301/pipeline"
	"gateway301/sample"
	"gateway301/schedule"
)

// succeeded lets a new pipeline with changed settings take over from a running one.
func (g *gateway) succeeded(old *pipeline.Pipeline, change func(*pipeline.Settings)) (p *pipeline.Pipeline, ended <-chan error) {
	s := g.settings
	s.Partners = append([]pipeline.Partner{}, s.Partners...)
	change(&s)
	s.After = old
	p = pipeline.New(s)
	end := make(chan error, 1)
	ctx, cancel := context.WithCancel(g.t.Context())
	g.t.Cleanup(cancel)
	go func() { end <- p.Run(ctx) }()
	old.Stop()
	return p, end
}

// A transfer under way ends under the old settings while the new ones route and
// seal; it is not taken for interrupted, and nothing is sent twice. A third configuration
// waits for the first, too.
func TestSuccession(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		h := w.hospital
		h.settings.Partners[0].Collects, h.settings.Partners[0].Order = false, exchange.OrderOff
		release := make(chan struct{})
		holding := make(chan struct{}, 1)
		look := h.line.before
		h.line.before = func(ctx context.Context, op, name string) error {
			if op == "put" && name == "TKRH0000" {
				holding <- struct{}{}
				select {
				case <-release:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return look(ctx, op, name)
		}
		one := h.take(nord, "one", file(t, sample.FileOptions{Reference: 1, ApplicationRef: "KRH00000001"}))
		first, firstEnded := h.started()
		<-holding

		var closed schedule.Window
		second, secondEnded := h.succeeded(first, func(s *pipeline.Settings) {
			var err error
			closed, err = schedule.ParseWindow("12:00-12:01")
			must(t, err)
			s.Partners[0].Window = closed
			s.Routes = []exchange.Route{{Name: "another", Recipients: []string{kasse}, Mode: exchange.Test, Partner: "kasse"}}
		})
		two := h.take(nord, "two", file(t, sample.FileOptions{Reference: 2, ApplicationRef: "KRH00000002"}))
		time.Sleep(2 * time.Minute)
		equal(t, "the transfer under way", h.row(one.ID).State, exchange.Sending)
		equal(t, "what the new settings have sealed", h.row(two.ID).State, exchange.Sealed)

		third, thirdEnded := h.succeeded(second, func(*pipeline.Settings) {})
		time.Sleep(2 * time.Minute)
		equal(t, "the transfer under way, two configurations later", h.row(one.ID).State, exchange.Sending)
		equal(t, "behind it", h.row(two.ID).Attempt, 0)
		close(release)
		time.Sleep(2 * time.Minute)
		must(t, <-firstEnded)
		must(t, <-secondEnded)
		equal(t, "ended under the old settings", h.row(one.ID).State, exchange.Delivered)
		equal(t, "attempts", h.row(one.ID).Attempt, 1)
		equal(t, "sent under the third, whose window is open", h.row(two.ID).State, exchange.Delivered)
		third.Stop()
		must(t, <-thirdEnded)
		for _, name := range []string{"TKRH0000", "TKRH0000.AUF", "TKRH0001", "TKRH0001.AUF"} {
			equal(t, "times put: "+name, h.line.puts[name], 1)
		}
	})
}

// When a partner's row is gone, its transfer under way ends; what waits for it is held.
func TestSuccessionWithoutThePartner(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		h := w.hospital
		h.settings.Partners[0].Collects = false
		h.line.slowly(10 * time.Minute)
		one := h.take(nord, "one", file(t, sample.FileOptions{Reference: 1, ApplicationRef: "KRH00000001"}))
		two := h.take(nord, "two", file(t, sample.FileOptions{Reference: 2, ApplicationRef: "KRH00000002"}))
		first, firstEnded := h.started()
		time.Sleep(time.Minute)
		equal(t, "under way", h.row(one.ID).State, exchange.Sending)
		next, nextEnded := h.succeeded(first, func(s *pipeline.Settings) { s.Partners, s.Routes = nil, nil })
		must(t, <-firstEnded)
		time.Sleep(2 * time.Minute)
		equal(t, "ended", h.row(one.ID).State, exchange.Delivered)
		h.wants(two.ID, exchange.Held, exchange.NoPartner)
		next.Stop()
		must(t, <-nextEnded)
	})
}
