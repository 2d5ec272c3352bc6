package config

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// What is wrong with the text of a duration or size.
var (
	errDuration = errors.New("not a duration: write whole numbers with units, such as 90s, 15m, 2h30m or 14d")
	errSize     = errors.New("not a size: write a whole number with its unit, such as 500MB or 2GiB")
	errNoUnit   = errors.New("has no unit")
	errTooMuch  = errors.New("too large")
)

// A unit is a suffix and what one of it counts.
type unit struct {
	name string
	is   int64
}

// ParseSize reads a size as the configuration writes it, "500MB" or "2GiB", in bytes.
func ParseSize(text string) (int64, error) { return parseSize(text) }

// parseDuration reads "14d", "2h30m", "500ms": whole numbers with the units d, h,
// m, s, ms, each once, in that order. A day is 24 hours.
func parseDuration(text string) (time.Duration, error) {
	units := []unit{
		{"d", int64(24 * time.Hour)}, {"h", int64(time.Hour)}, {"m", int64(time.Minute)},
		{"s", int64(time.Second)}, {"ms", int64(time.Millisecond)},
	}
	var sum int64
	rest := text
	for rest != "" {
		n, after, err := number(rest)
		if err != nil {
			return 0, orElse(err, errDuration)
		}
		end := strings.IndexFunc(after, isDigit)
		if end < 0 {
			end = len(after)
		}
		name := after[:end]
		if name == "" {
			return 0, errNoUnit
		}
		for len(units) > 0 && units[0].name != name {
			units = units[1:]
		}
		if len(units) == 0 {
			return 0, errDuration
		}
		part, ok := times(n, units[0].is)
		if !ok || sum > math.MaxInt64-part {
			return 0, errTooMuch
		}
		sum, units, rest = sum+part, units[1:], after[end:]
	}
	if text == "" {
		return 0, errDuration
	}
	return time.Duration(sum), nil
}

// parseSize reads "500MB", "2GiB", "2 GiB", "0B" as bytes: kB, MB, GB, TB count
// by 1000, KiB, MiB, GiB, TiB by 1024.
func parseSize(text string) (int64, error) {
	n, after, err := number(text)
	if err != nil {
		return 0, orElse(err, errSize)
	}
	after = strings.TrimPrefix(after, " ")
	if after == "" {
		return 0, errNoUnit
	}
	for _, u := range []unit{
		{"B", 1}, {"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12},
		{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	} {
		if u.name == after {
			if size, ok := times(n, u.is); ok {
				return size, nil
			}
			return 0, errTooMuch
		}
	}
	return 0, errSize
}

// number cuts a whole number off the front of text. Its error is errTooMuch, or
// errNoNumber when no digit stands there.
func number(text string) (n int64, rest string, err error) {
	i := 0
	for ; i < len(text) && text[i] >= '0' && text[i] <= '9'; i++ {
		if n > (math.MaxInt64-9)/10 {
			return 0, "", errTooMuch
		}
		n = n*10 + int64(text[i]-'0')
	}
	if i == 0 {
		return 0, "", errNoNumber
	}
	return n, text[i:], nil
}

var errNoNumber = errors.New("no number")

// orElse words the absence of a number as what the caller was looking for.
func orElse(err, instead error) error {
	if errors.Is(err, errNoNumber) {
		return instead
	}
	return err
}

func times(a, b int64) (int64, bool) {
	if a > math.MaxInt64/b {
		return 0, false
	}
	return a * b, true
}

func isDigit(r rune) bool { return r >= '0' && r <= '9' }

// writeSize is the reverse of parseSize.
func writeSize(n int64) string {
	for _, u := range []unit{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n > 0 && n%u.is == 0 {
			return strconv.FormatInt(n/u.is, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10) + "B"
}
