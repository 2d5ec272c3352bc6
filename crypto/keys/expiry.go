package keys

import "time"

// A Stage is how near the end of a certificate is: the number of days before it
// at which somebody is told. Fresh is none yet, Expired is too late.
type Stage int

// The stages (see Stages) and their two ends.
const (
	Fresh   Stage = 1<<31 - 1
	Expired Stage = 0
)

// Stages are the days before the end at which somebody is told, in this order.
func Stages() []Stage { return []Stage{90, 30, 14, 7, 1} }

const day = 24 * time.Hour

// StageAt tells which stage a certificate that ends at notAfter has reached. It
// is Fresh until 90 days before, then 90 until 30 days before, and so on; from
// the second after notAfter it is Expired. Whoever remembers the last stage it
// told of tells once for each smaller one, also when the service was down at the
// very day.
func StageAt(notAfter, now time.Time) Stage {
	left := notAfter.Sub(now.Truncate(time.Second))
	if left < 0 {
		return Expired
	}
	reached := Fresh
	for _, s := range Stages() {
		if left <= time.Duration(s)*day {
			reached = s
		}
	}
	return reached
}

// DaysLeft is the number of whole days until notAfter, negative when it is over.
func DaysLeft(notAfter, now time.Time) int {
	left := notAfter.Sub(now)
	if left < 0 {
		return int((left - day + 1) / day)
	}
	return int(left / day)
}
