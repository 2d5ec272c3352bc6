package sftp

import (
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"
)

// Algorithms is what may be agreed with a server. The zero value is everything
// that has no known weakness, AES-GCM first.
type Algorithms struct {
	// Only narrows that down: key exchanges, ciphers, MACs and host key
	// algorithms by their names in SSH. Of each kind that is named, only these
	// are offered, in this order.
	Only []string

	// Legacy adds weak ones, each by its name, until the moment at which the
	// exception ends. They are offered last.
	Legacy      []string
	LegacyUntil time.Time // zero: no end
}

// LegacyAlgorithms returns the names that Algorithms.Legacy may hold.
func LegacyAlgorithms() []string {
	weak := ssh.InsecureAlgorithms()
	return slices.Concat(weak.KeyExchanges, weak.Ciphers, weak.MACs, []string{ssh.KeyAlgoRSA})
}

// StrongAlgorithms returns the names that Algorithms.Only may hold.
func StrongAlgorithms() []string {
	strong := ssh.SupportedAlgorithms()
	return slices.Concat(strong.KeyExchanges, strong.Ciphers, strong.MACs, hostKeyAlgorithms(nil))
}

func (a *Algorithms) check() (wrong []error) {
	for _, name := range a.Only {
		if !slices.Contains(StrongAlgorithms(), name) {
			wrong = append(wrong, fmt.Errorf("%w: unknown or weak algorithm %q", ErrSettings, name))
		}
	}
	for _, name := range a.Legacy {
		if !slices.Contains(LegacyAlgorithms(), name) {
			wrong = append(wrong, fmt.Errorf("%w: %q is no legacy algorithm", ErrSettings, name))
		}
	}
	return wrong
}

// legacy returns the weak algorithms that may still be offered.
func (a *Algorithms) legacy(now time.Time) []string {
	if !a.LegacyUntil.IsZero() && !now.Before(a.LegacyUntil) {
		return nil
	}
	return a.Legacy
}

// choose returns what is offered of one kind: all the strong ones, or those that
// Only names, then the exceptions.
func (a *Algorithms) choose(strong, weak []string, now time.Time) []string {
	offer := strong
	if only := common(a.Only, strong); len(only) > 0 {
		offer = only
	}
	return slices.Concat(offer, common(a.legacy(now), weak))
}

// common returns those of a that are in b, in the order of a.
func common(a, b []string) []string {
	var both []string
	for _, name := range a {
		if slices.Contains(b, name) {
			both = append(both, name)
		}
	}
	return both
}

// apply fills in what a connection to a host with these pins offers.
func (a *Algorithms) apply(c *ssh.ClientConfig, pins []HostKey) {
	now := time.Now()
	strong, weak := ssh.SupportedAlgorithms(), ssh.InsecureAlgorithms()
	// AES-GCM leads the supported ciphers; named here so that it stays so.
	gcm := []string{ssh.CipherAES128GCM, ssh.CipherAES256GCM}
	ciphers := slices.Concat(gcm, slices.DeleteFunc(strong.Ciphers, func(c string) bool { return slices.Contains(gcm, c) }))
	c.Ciphers = a.choose(ciphers, weak.Ciphers, now)
	c.MACs = a.choose(strong.MACs, weak.MACs, now)
	c.KeyExchanges = a.choose(strong.KeyExchanges, weak.KeyExchanges, now)
	c.HostKeyAlgorithms = a.choose(hostKeyAlgorithms(pins), []string{ssh.KeyAlgoRSA}, now)
}
