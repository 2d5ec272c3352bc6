package sample

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A PartnerFault is what a simulated partner does wrong on command, and how often.
type PartnerFault struct {
	Kind  string        // one of PartnerFaults
	Bytes int64         // cut, stall, full-disk: once so many bytes of files have come in
	Delay time.Duration // slow-login
	Times int           // how often it strikes
}

// ErrPartnerFault reports a fault that is not one.
var ErrPartnerFault = errors.New("unknown fault")

// PartnerFaults are the faults by name, with what each means.
func PartnerFaults() [][2]string {
	return [][2]string{
		{"cut=BYTES", "the connection breaks once so many bytes of files have come in"},
		{"stall=BYTES", "nothing is answered any more once so many bytes of files have come in"},
		{"full-disk=BYTES", "no space is left once so many bytes of files have come in"},
		{"refuse-rename", "renaming is refused"},
		{"wrong-size", "one byte less is told than a file has"},
		{"host-key", "another host key is shown"},
		{"slow-login=DURATION", "a login takes so long"},
	}
}

// ParsePartnerFault reads NAME[=VALUE][:TIMES|:always]; without TIMES it strikes once.
func ParsePartnerFault(text string) (PartnerFault, error) {
	f := PartnerFault{Times: 1}
	text, times, counted := strings.Cut(text, ":")
	kind, value, valued := strings.Cut(text, "=")
	i := slices.IndexFunc(PartnerFaults(), func(known [2]string) bool { name, _, _ := strings.Cut(known[0], "="); return name == kind })
	if i < 0 {
		return f, fmt.Errorf("%w %q", ErrPartnerFault, kind)
	}
	f.Kind = kind
	form := PartnerFaults()[i][0]
	var err error
	switch {
	case strings.HasSuffix(form, "=BYTES"):
		f.Bytes, err = strconv.ParseInt(value, 10, 64)
	case strings.HasSuffix(form, "=DURATION"):
		f.Delay, err = time.ParseDuration(value)
	case valued:
		err = errors.New("it takes no value")
	}
	if err == nil && counted {
		if f.Times = math.MaxInt; times != "always" {
			f.Times, err = strconv.Atoi(times)
		}
	}
	if err != nil || f.Bytes < 0 || f.Delay < 0 || f.Times < 1 {
		return f, fmt.Errorf("%w: %q; write %s, with :3 or :always behind it for more than once", ErrPartnerFault, text, form)
	}
	return f, nil
}

// strike returns a fault of the kind that is due now, and counts it.
func (p *Partner) strike(kind string, bytes int64) *PartnerFault {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.faults {
		if f.Kind == kind && f.Times > 0 && bytes >= f.Bytes {
			f.Times--
			return f
		}
	}
	return nil
}
