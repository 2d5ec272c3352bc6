package exchange

import "time"

// A Tally counts deliveries that are alike.
type Tally struct {
	Partner   string // or the account that the file came in by, before it has a partner
	Direction Direction
	State     State
	Proof     string // proof level ("size"), or "looked" or "by hand"; of those delivered
	Tonight   bool   // taken over in the night asked about
	N         int
	Oldest    time.Time // when the first of them was taken over
	Since     time.Time // when the first of them entered the state
}
