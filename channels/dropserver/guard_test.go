package dropserver

import (
	"errors"
	"net/netip"
	"testing"
	"time"
)

func TestGuard(t *testing.T) {
	f := Failures{Delay: time.Second, BanAfter: 6, Ban: time.Hour}
	g, now := newGuard(), time.Date(2026, 11, 22, 3, 15, 0, 0, time.UTC)
	from := origin(netip.MustParseAddr("192.0.2.7"))
	arrive := func() (time.Duration, error) {
		delay, err := g.arrive(from, f, 3, now)
		if err == nil {
			g.leave(from)
		}
		return delay, err
	}
	for i, want := range []time.Duration{0, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 10 * time.Second} {
		if delay, err := arrive(); delay != want || err != nil {
			t.Errorf("after %d failures: delay %v, %v, want %v", i, delay, err, want)
		}
		until := g.failed(from, f, now)
		if banned := !until.IsZero(); banned != (i == 5) {
			t.Errorf("failure %d bans: %v", i+1, banned)
		}
	}
	if _, err := arrive(); !errors.Is(err, ErrBanned) {
		t.Errorf("banned: %v", err)
	}
	if delay, err := g.arrive(origin(netip.MustParseAddr("192.0.2.8")), f, 3, now); delay != 0 || err != nil {
		t.Errorf("a neighbour: %v, %v", delay, err)
	}
	now = now.Add(time.Hour)
	if _, err := arrive(); err != nil {
		t.Errorf("after the ban: %v", err)
	}
	for range 5 {
		g.failed(from, f, now)
	}
	if until := g.failed(from, f, now); until.Sub(now) != 2*time.Hour {
		t.Errorf("the second ban lasts %v, want twice the first", until.Sub(now))
	}
	now = now.Add(3 * time.Hour)
	g.failed(from, f, now)
	now = now.Add(400 * time.Millisecond)
	if delay, _ := arrive(); delay != 600*time.Millisecond {
		t.Errorf("delay %v, want the rest of the second", delay)
	}
	g.succeeded(from)
	if delay, err := arrive(); delay != 0 || err != nil {
		t.Errorf("after a success: %v, %v", delay, err)
	}
	for range 6 {
		g.failed(from, f, now)
	}
	g.pardon()
	if delay, err := arrive(); delay != 0 || err != nil {
		t.Errorf("after a pardon: %v, %v", delay, err)
	}
}

func TestGuardCountsWhoWaits(t *testing.T) {
	g, now := newGuard(), time.Now()
	from := origin(netip.MustParseAddr("2001:db8::7"))
	for range 3 {
		if _, err := g.arrive(from, Failures{}, 3, now); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := g.arrive(origin(netip.MustParseAddr("2001:db8::8")), Failures{}, 3, now); !errors.Is(err, ErrBusy) {
		t.Errorf("a fourth of the same /64: %v, want ErrBusy", err)
	}
	g.leave(from)
	if _, err := g.arrive(from, Failures{}, 3, now); err != nil {
		t.Errorf("after one left: %v", err)
	}
}

// However many addresses somebody has, the memory is bounded.
func TestGuardForgets(t *testing.T) {
	g, now := newGuard(), time.Now()
	for i := range maxCulprits + 1000 {
		from := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		g.failed(origin(from), Failures{BanAfter: 10}, now)
	}
	if n := len(g.culprits); n > maxCulprits {
		t.Errorf("%d addresses are remembered", n)
	}
	for i := 0; len(g.culprits) < maxCulprits; i++ {
		g.failed(origin(netip.AddrFrom4([4]byte{11, byte(i >> 16), byte(i >> 8), byte(i)})), Failures{BanAfter: 10}, now)
	}
	now = now.Add(25 * time.Hour)
	g.failed(origin(netip.MustParseAddr("192.0.2.1")), Failures{BanAfter: 10}, now)
	if n := len(g.culprits); n != 1 {
		t.Errorf("a day later %d addresses are remembered, want the new one", n)
	}
}

func TestOrigins(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.7": "192.0.2.7/32", "::ffff:192.0.2.7": "192.0.2.7/32", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64",
	} {
		if got := origin(netip.MustParseAddr(address)); got.String() != want {
			t.Errorf("%s counts as %v, want %s", address, got, want)
		}
	}
}

func TestWhoMayLogIn(t *testing.T) {
	day := func(d int) time.Time { return time.Date(2026, 11, d, 0, 0, 0, 0, time.UTC) }
	a := Account{
		From: day(10), Until: day(20),
		Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")},
	}
	for _, test := range []struct {
		from string
		now  time.Time
		want error
	}{
		{"192.0.2.7", day(15), nil}, {"::ffff:192.0.2.7", day(15), nil}, {"2001:db8::1%eth0", day(15), nil},
		{"192.0.3.7", day(15), ErrNetwork}, {"2001:db9::1", day(15), ErrNetwork},
		{"192.0.2.7", day(9), ErrNotYet}, {"192.0.2.7", day(10), nil},
		{"192.0.2.7", day(20).Add(-1), nil}, {"192.0.2.7", day(20), ErrExpired},
	} {
		if err := a.open(netip.MustParseAddr(test.from), test.now); err != test.want {
			t.Errorf("%s at %v: %v, want %v", test.from, test.now, err, test.want)
		}
	}
	if err := a.open(netip.Addr{}, day(15)); err != ErrNetwork {
		t.Errorf("from nowhere: %v", err)
	}
	if err := (&Account{}).open(netip.Addr{}, day(15)); err != nil {
		t.Errorf("an account without limits: %v", err)
	}
}
