package web

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gateway301/exchange"
)

// families are all metrics of ours.
type families struct {
	up, info, start, deliveries, imbalance, night, waiting, oldest, stopped, last, attempts, overdue, orphans, expiry, looks, found, spoolFree, floor, alarms, scrapeSeconds family
}

func allFamilies() families {
	return families{
		up:            family{"ledger_up", "1 while the ledger answers.", nil},
		info:          family{"info", "Version and configuration in force.", []string{"version", "config_hash"}},
		start:         family{"start_time_seconds", "When the service was started.", nil},
		deliveries:    family{"deliveries", "Files taken over, by the state they are in.", []string{"direction", "state", "class"}},
		imbalance:     family{"ledger_imbalance", "Files taken over less those that are in a class; 0 is right.", nil},
		night:         family{"night_complete", "1 when the last night is complete.", nil},
		waiting:       family{"partner_waiting_deliveries", "Deliveries to a partner that are in work.", []string{"partner"}},
		oldest:        family{"partner_oldest_waiting_seconds", "Age of the oldest delivery in work.", []string{"partner"}},
		stopped:       family{"partner_stopped", "1 while a partner is not called.", []string{"partner"}},
		last:          family{"partner_last_success_timestamp_seconds", "Last delivery with proof (out), last successful look at the folder (in).", []string{"partner", "direction"}},
		attempts:      family{"partner_attempts_total", "Attempts to send since the start, by result.", []string{"partner", "result"}},
		overdue:       family{"answers_overdue", "Deliveries whose promised answer did not come in time.", nil},
		orphans:       family{"answers_orphaned", "Answers that match nothing and wait for an operator.", nil},
		expiry:        family{"certificate_expiry_timestamp_seconds", "End of the validity of the certificate in use.", []string{"ik", "owner"}},
		looks:         family{"outbox_looks_total", "Looks at an outbox since the start, by what brought them about.", []string{"outbox", "by"}},
		found:         family{"outbox_taken_total", "Files taken since the start, by what brought the look about.", []string{"outbox", "by"}},
		spoolFree:     family{"spool_free_bytes", "Free space where the spool is.", nil},
		floor:         family{"disk_floor_bytes", "Free space below which intake pauses.", nil},
		alarms:        family{"alarms", "Alarms that last.", []string{"acknowledged"}},
		scrapeSeconds: family{"snapshot_duration_seconds", "How long the ledger took for this scrape.", nil},
	}
}

// metrics asks the source at each scrape; nothing is kept between two.
type metrics struct{ source Source }

// A family is one metric: its name without "gateway_", its help, its labels.
type family struct {
	name, help string
	labels     []string
}

func (f family) send(out chan<- prometheus.Metric, kind prometheus.ValueType, v float64, labels []string) {
	out <- prometheus.MustNewConstMetric(prometheus.NewDesc("gateway_"+f.name, f.help, f.labels, nil), kind, v, labels...)
}

// Describe sends nothing: what is there depends on the configuration.
func (m *metrics) Describe(chan<- *prometheus.Desc) {}

// Collect asks once and tells all.
func (m *metrics) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	all := allFamilies()
	gauge := func(f family, v float64, labels ...string) { f.send(out, prometheus.GaugeValue, v, labels) }
	count := func(f family, v int64, labels ...string) { f.send(out, prometheus.CounterValue, float64(v), labels) }
	moment := func(f family, t time.Time, labels ...string) {
		if !t.IsZero() {
			gauge(f, float64(t.UnixMilli())/1000, labels...)
		}
	}
	begin := time.Now()
	s, err := m.source.Snapshot(ctx, false)
	gauge(all.up, truth(err == nil))
	gauge(all.scrapeSeconds, time.Since(begin).Seconds())
	if err != nil {
		return
	}
	gauge(all.info, 1, s.Version, s.ConfigHash)
	moment(all.start, s.Started)
	overdue := 0
	for _, direction := range []exchange.Direction{exchange.Out, exchange.In} {
		for _, state := range exchange.States() {
			n, there := s.Sums[direction][state]
			if state == exchange.Overdue {
				overdue += n
			}
			if there || direction == exchange.Out {
				gauge(all.deliveries, float64(n), string(direction), string(state), string(state.Class()))
			}
		}
	}
	gauge(all.imbalance, float64(s.Imbalance))
	gauge(all.night, truth(s.Night.Complete))
	gauge(all.overdue, float64(overdue))
	gauge(all.orphans, float64(s.Orphans))
	for _, p := range s.Partners {
		gauge(all.waiting, float64(p.Waiting), p.Name)
		age := 0.0
		if !p.OldestWaiting.IsZero() {
			age = s.At.Sub(p.OldestWaiting).Seconds()
		}
		gauge(all.oldest, age, p.Name)
		gauge(all.stopped, truth(p.Stopped != ""), p.Name)
		moment(all.last, p.LastSent, p.Name, "out")
		moment(all.last, p.LastCollected, p.Name, "in")
		for result, n := range p.Attempts {
			count(all.attempts, n, p.Name, result)
		}
	}
	for _, b := range s.Outboxes {
		count(all.looks, b.Events, b.Name, "event")
		count(all.looks, b.Rescans, b.Name, "rescan")
		count(all.found, b.ByEvent, b.Name, "event")
		count(all.found, b.ByRescan, b.Name, "rescan")
	}
	for _, c := range s.Keys {
		owner := "partner"
		if c.Own {
			owner = "own"
		}
		moment(all.expiry, c.NotAfter, c.IK, owner)
	}
	gauge(all.spoolFree, float64(s.SpoolFree))
	gauge(all.floor, float64(s.DiskFloor))
	acknowledged := 0
	for _, a := range s.Alarms {
		if a.Acknowledged != "" {
			acknowledged++
		}
	}
	gauge(all.alarms, float64(acknowledged), "yes")
	gauge(all.alarms, float64(len(s.Alarms)-acknowledged), "no")
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
