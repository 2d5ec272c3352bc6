package alert

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"gateway301/exchange"
)

// memory is a book that forgets when the test ends; the ledger's is held to the
// same behaviour by its own suite.
type memory map[string]exchange.Alarm

func (m memory) Alarms(context.Context) ([]exchange.Alarm, error) {
	var out []exchange.Alarm
	for _, key := range slices.Sorted(maps.Keys(m)) {
		out = append(out, m[key])
	}
	return out, nil
}

func (m memory) KeepAlarms(_ context.Context, keep, done []exchange.Alarm) error {
	for _, a := range keep {
		a.Told = maps.Clone(a.Told)
		old := m[a.Key()]
		a.Acknowledged, a.AcknowledgedBy, a.SeenWeight = time.Time{}, "", 0
		if old.Raised.Equal(a.Raised) {
			a.Acknowledged, a.AcknowledgedBy, a.SeenWeight = old.Acknowledged, old.AcknowledgedBy, old.SeenWeight
		}
		m[a.Key()] = a
	}
	for _, a := range done {
		delete(m, a.Key())
	}
	return nil
}

func (m memory) AcknowledgeAlarm(_ context.Context, a exchange.Alarm) error {
	m[a.Key()] = a
	return nil
}

// a recorder keeps what it was given.
type recorder struct {
	name string
	got  []Message
	err  error
}

func (r *recorder) Name() string { return r.name }

func (r *recorder) Send(_ context.Context, m Message) error {
	if r.err == nil {
		r.got = append(r.got, m)
	}
	return r.err
}

func (r *recorder) take() []Message {
	got := r.got
	r.got = nil
	return got
}

// A night is one bell with two senders, and a clock.
type night struct {
	t             *testing.T
	book          memory
	bell          *Bell
	command, mail *recorder
	now           time.Time
}

func newNight(t *testing.T) *night {
	n := &night{t: t, book: memory{}, command: &recorder{name: "command"}, mail: &recorder{name: "mail"}, now: time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC)}
	n.bell = &Bell{Book: n.book, Senders: []Sender{n.command, n.mail}, Resend: 4 * time.Hour, Pause: 10 * time.Minute, Host: "nord"}
	return n
}

func (n *night) look(after time.Duration, wrong ...exchange.Condition) error {
	n.now = n.now.Add(after)
	// A fresh bell each time: a restart in between changes nothing.
	bell := *n.bell
	return bell.Look(n.t.Context(), n.now, wrong)
}

// told looks and says how many messages each sender got.
func (n *night) told(after time.Duration, want int, wrong ...exchange.Condition) []Message {
	n.t.Helper()
	if err := n.look(after, wrong...); err != nil {
		n.t.Fatal(err)
	}
	got := n.command.take()
	if mail := n.mail.take(); len(got) != want || len(mail) != want {
		n.t.Fatalf("%s: %d and %d messages, want %d: %v", n.now.Format(time.TimeOnly), len(got), len(mail), want, got)
	}
	return got
}

func held(n int) exchange.Condition {
	return exchange.Condition{Kind: exchange.AlarmHeld, Subject: "kasse", Count: n}
}

func TestToldOnceAndAgainUntilAcknowledged(t *testing.T) {
	n := newNight(t)
	n.told(0, 0)
	first := n.told(time.Minute, 1, held(3))[0]
	if !first.Urgent || !strings.Contains(first.Subject, "nord: held") || !strings.Contains(first.Text, "3 deliveries held: kasse") || !strings.Contains(first.Text, "[held/kasse]") {
		t.Errorf("%+v", first)
	}
	n.told(time.Minute, 0, held(3))
	n.told(3*time.Hour, 0, held(3))
	again := n.told(time.Hour, 1, held(3))[0]
	if again.Urgent {
		t.Error("a repetition calls itself urgent")
	}
	marked, err := Acknowledge(t.Context(), n.book, "admin", n.now, "held/kasse", "held/nobody")
	if err != nil || !slices.Equal(marked, []string{"held/kasse"}) {
		t.Fatal(marked, err)
	}
	n.told(24*time.Hour, 0, held(3))
	n.told(time.Minute, 1, held(4)) // grew after somebody saw three
	over := n.told(time.Minute, 1)[0]
	if over.Urgent || !strings.Contains(over.Subject, "over") || !strings.Contains(over.Text, "held: kasse") {
		t.Errorf("%+v", over)
	}
	n.told(time.Minute, 0)
	if len(n.book) != 0 {
		t.Errorf("the book still has %v", n.book)
	}
}

func TestAGrowingCountIsToldAtMostEveryPause(t *testing.T) {
	n := newNight(t)
	n.told(0, 1, held(1))
	n.told(time.Minute, 0, held(2))
	n.told(time.Minute, 0, held(500))
	got := n.told(8*time.Minute, 1, held(501))[0]
	if !got.Urgent || !strings.Contains(got.Text, "501 deliveries") {
		t.Errorf("%+v", got)
	}
	n.told(time.Hour, 0, held(400)) // fewer is no news
}

func TestACertificateIsToldAgainAsItsEndComesNearer(t *testing.T) {
	n := newNight(t)
	days := func(left int) exchange.Condition {
		return exchange.Condition{Kind: exchange.AlarmKeyExpiring, Subject: "260500005", Count: left}
	}
	n.told(0, 1, days(30))
	if _, err := Acknowledge(t.Context(), n.book, "admin", n.now); err != nil {
		t.Fatal(err)
	}
	for left := 29; left >= -2; left-- {
		want := 0
		switch left {
		case 14, 7, 1, -1:
			want = 1
		}
		n.told(24*time.Hour, want, days(left))
		if _, err := Acknowledge(t.Context(), n.book, "admin", n.now); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWhatComesBackIsNew(t *testing.T) {
	n := newNight(t)
	n.told(0, 1, held(3))
	if _, err := Acknowledge(t.Context(), n.book, "admin", n.now); err != nil {
		t.Fatal(err)
	}
	n.told(time.Minute, 1)
	if got := n.told(time.Minute, 1, held(1)); !got[0].Urgent {
		t.Error("a new alarm is not urgent")
	}
}

func TestNobodyHeardOfItNobodyHearsThatItIsOver(t *testing.T) {
	n := newNight(t)
	n.command.err, n.mail.err = errors.New("down"), errors.New("down")
	if err := n.look(0, held(1)); err == nil {
		t.Fatal("two failing senders are no error")
	}
	n.command.err, n.mail.err = nil, nil
	n.told(time.Minute, 0)
	if len(n.book) != 0 {
		t.Errorf("the book still has %v", n.book)
	}
}

func TestASenderThatFailedTriesAgainAlone(t *testing.T) {
	n := newNight(t)
	n.mail.err = errors.New("mail server down")
	if err := n.look(0, held(1)); err == nil || !strings.Contains(err.Error(), "mail: mail server down") {
		t.Fatal(err)
	}
	if len(n.command.take()) != 1 {
		t.Fatal("the command was not run")
	}
	n.mail.err = nil
	if err := n.look(time.Minute, held(1)); err != nil {
		t.Fatal(err)
	}
	if len(n.command.take()) != 0 || len(n.mail.take()) != 1 {
		t.Error("the mail was not made up for, or the command ran twice")
	}
	// It goes down again before the all-clear: the alarm stays in the book for it.
	n.mail.err = errors.New("mail server down")
	if err := n.look(time.Minute); err == nil || len(n.command.take()) != 1 || len(n.book) != 1 {
		t.Error(err, n.book)
	}
	n.mail.err = nil
	if err := n.look(time.Minute); err != nil || len(n.command.take()) != 0 || len(n.mail.take()) != 1 || len(n.book) != 0 {
		t.Error(err, n.book)
	}
}

func TestMostPressingFirstInOneMessage(t *testing.T) {
	n := newNight(t)
	n.bell.German = true
	m := n.told(0, 1, held(1), exchange.Condition{Kind: exchange.AlarmImbalance, Count: 2}, exchange.Condition{Kind: exchange.AlarmHeld, Subject: "bank", Count: 2})[0]
	if want := "Gateway 301 nord: Bilanz stimmt nicht, angehalten"; m.Subject != want {
		t.Errorf("%q, want %q", m.Subject, want)
	}
	if i, j, k := strings.Index(m.Text, "weicht um 2 ab"), strings.Index(m.Text, "2 Lieferungen angehalten: bank"), strings.Index(m.Text, "1 Lieferung angehalten: kasse"); i < 0 || j < i || k < j {
		t.Errorf("%s", m.Text)
	}
}

func TestEveryKindHasWords(t *testing.T) {
	for _, k := range exchange.AlarmKinds() {
		for _, german := range []bool{true, false} {
			c := exchange.Condition{Kind: k, Subject: "kasse", Count: 2}
			if Title(k, german) == "" || What(c, german) == "" || What(c, german) == string(k)+" kasse" || Next(c, german) == "" {
				t.Errorf("%s lacks words: %q, %q, %q", k, Title(k, german), What(c, german), Next(c, german))
			}
		}
		if What(exchange.Condition{Kind: k, Subject: "kasse", Count: 2}, true) == What(exchange.Condition{Kind: k, Subject: "kasse", Count: 2}, false) {
			t.Errorf("%s says the same in both languages", k)
		}
	}
}
