package annex

import (
	"strings"

	"github.com/shopspring/decimal"
)

// An amount is exact: cents where they suffice, else a decimal of any size.
type amount struct {
	cents int64
	big   *decimal.Decimal // set: counts instead of cents
}

// most is the largest number of cents that is kept as an integer, so that sums and
// the products that are tried do not overflow.
const (
	mostCents = 1 << 40
	mostCount = 1 << 20
)

// parseAmount reads an amount with a decimal comma: digits, or digits on both sides
// of one comma, with a minus sign or without (8. Fortschreibung: no mark between
// thousands).
func parseAmount(b []byte) (amount, bool) {
	sign := int64(1)
	rest := b
	if len(rest) > 0 && rest[0] == '-' {
		sign, rest = -1, rest[1:]
	}
	var n int64
	fraction := -1
	for i, c := range rest {
		switch d := c - '0'; {
		case d <= 9:
			if n < mostCents*100 {
				n = n*10 + int64(d)
			}
			if fraction >= 0 {
				fraction++
			}
		case c == ',' && fraction < 0 && i > 0:
			fraction = 0
		default:
			return amount{}, false
		}
	}
	if len(rest) == 0 || fraction == 0 {
		return amount{}, false
	}
	switch fraction {
	case -1:
		n *= 100
	case 1:
		n *= 10
	case 2:
	default:
		n = mostCents
	}
	if n < mostCents {
		return amount{cents: sign * n}, true
	}
	d, err := decimal.NewFromString(strings.Replace(string(b), ",", ".", 1))
	return amount{big: &d}, err == nil
}

// shortAmount is parseAmount for the common ones: up to eight characters with two
// digits behind the comma and no sign. word is the first eight bytes, the first one
// lowest, of which n count. Others are not ok.
func shortAmount(word uint64, n int) (cents int64, ok bool) {
	if uint(n-4) > 8-4 {
		return 0, false
	}
	w := word << (8 * (8 - uint(n))) // the last character in the highest byte
	comma := w >> 40 & 0xff
	w = w&0xffff_0000_0000_0000 | w&0xff_ffff_ffff<<8 | 0x3030303030303030>>(8*uint(n-1))
	return int64(eightDigits(w)), comma == ',' && allDigits(w)
}

// shortCount is parseCount for up to eight characters, likewise; others, and what is
// no number, are not ok.
func shortCount(word uint64, n int) (count int64, ok bool) {
	if uint(n-1) > 8-1 {
		return 0, false
	}
	w := word<<(8*(8-uint(n))) | 0x3030303030303030>>(8*uint(n))
	return int64(eightDigits(w)), allDigits(w)
}

// allDigits reports whether each byte of a word is a digit.
func allDigits(w uint64) bool {
	const zeros, sixes, high = 0x3030303030303030, 0x0606060606060606, 0xf0f0f0f0f0f0f0f0
	return w&high == zeros && (w+sixes)&high == zeros
}

// eightDigits is the number that eight digits make, the first in the lowest byte.
func eightDigits(w uint64) uint64 {
	w -= 0x3030303030303030
	w = (w*10 + w>>8) & 0x00ff00ff00ff00ff // two digits a lane
	w = (w*100 + w>>16) & 0x0000ffff0000ffff
	return (w*10000 + w>>32) & 0xffffffff
}

// parseCount reads a whole number.
func parseCount(b []byte) amount {
	var n int64
	for _, c := range b {
		if n = n*10 + int64(c-'0'); n >= mostCount {
			d, err := decimal.NewFromString(string(b))
			if err != nil {
				return amount{}
			}
			return amount{big: &d}
		}
	}
	return amount{cents: n * 100}
}

func (a amount) decimal() decimal.Decimal {
	if a.big != nil {
		return *a.big
	}
	return decimal.New(a.cents, -2)
}

// plus adds, minus subtracts.
func (a amount) plus(b amount) amount {
	if a.big == nil && b.big == nil {
		if sum := a.cents + b.cents; sum < mostCents<<16 && sum > -mostCents<<16 {
			return amount{cents: sum}
		}
	}
	d := a.decimal().Add(b.decimal())
	return amount{big: &d}
}

func (a amount) minus(b amount) amount {
	if b.big == nil {
		return a.plus(amount{cents: -b.cents})
	}
	d := b.big.Neg()
	return a.plus(amount{big: &d})
}

// times multiplies by a whole number, as [parseCount] gives it.
func (a amount) times(n amount) amount {
	if a.big == nil && n.big == nil && a.cents < mostCents && a.cents > -mostCents {
		return amount{cents: a.cents * (n.cents / 100)}
	}
	d := a.decimal().Mul(n.decimal())
	return amount{big: &d}
}

// addShort adds cents times count, both of up to eight digits, unless the sum has
// become too large for that.
func (a *amount) addShort(cents, count int64) bool {
	sum := a.cents + cents*count
	if a.big != nil || sum >= mostCents<<16 || sum <= -mostCents<<16 || count >= mostCount {
		return false
	}
	a.cents = sum
	return true
}

// amountOf is a whole number as an amount.
func amountOf(count int64) amount {
	if count < mostCount {
		return amount{cents: 100 * count}
	}
	d := decimal.NewFromInt(count)
	return amount{big: &d}
}

func (a amount) equal(b amount) bool {
	if a.big == nil && b.big == nil {
		return a.cents == b.cents
	}
	return a.decimal().Equal(b.decimal())
}
