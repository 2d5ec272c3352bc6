package exchange

import (
	"errors"
	"fmt"
	"sync"
)

// A State is where a delivery stands. Its text is stored in the ledger.
type State string

// States of an outbound delivery.
const (
	Taken       State = "taken"       // in the spool; check and route are due
	Drafted     State = "drafted"     // a file of ours that is decided but not yet written: an answer, or the good messages of a file
	Routed      State = "routed"      // partner and keys are known; sealing is due
	Sealed      State = "sealed"      // sealed bytes in the spool; sending is due, or waits for window or retry
	Sending     State = "sending"     // an attempt is under way
	Unknown     State = "unknown"     // an attempt ended without telling how; looking is due
	Delivered   State = "delivered"   // at the partner, with proof; no answer yet
	Overdue     State = "overdue"     // an answer was promised and did not come in time
	Uncontested State = "uncontested" // the time for a rejection has passed
)

// States of an inbound delivery.
const (
	Received State = "received" // stored as it came; opening is due
	Opened   State = "opened"   // verified and judged; handing over is due
	Handing  State = "handing"  // complete under a temporary name in the back end's folder
)

// States that both directions end in, or pause in.
const (
	Accepted    State = "accepted"    // confirmed by the partner; or handed over; or, for an answer, settled
	Rejected    State = "rejected"    // by our check, by the partner, or by hand
	Held        State = "held"        // an operator must decide; the reason says what
	Quarantined State = "quarantined" // not taken into work: empty, unreadable, too large
	Cancelled   State = "cancelled"   // withdrawn by an operator
)

// A Class is what a state counts as in the sum over all files taken over.
type Class string

// The classes. Every state belongs to exactly one.
const (
	InWork           Class = "in work"
	ClassHeld        Class = "held"
	ClassQuarantined Class = "quarantined"
	ClassDelivered   Class = "delivered"
	ClassUncontested Class = "uncontested"
	ClassAccepted    Class = "accepted"
	ClassRejected    Class = "rejected"
	ClassCancelled   Class = "cancelled"
)

// Class tells what s counts as.
func (s State) Class() Class {
	switch s {
	case Held:
		return ClassHeld
	case Quarantined:
		return ClassQuarantined
	case Delivered:
		return ClassDelivered
	case Uncontested:
		return ClassUncontested
	case Accepted:
		return ClassAccepted
	case Rejected:
		return ClassRejected
	case Cancelled:
		return ClassCancelled
	}
	return InWork
}

// A Happening is what moves a delivery from one state to the next.
type Happening string

// What can happen to a delivery.
const (
	TookOver     Happening = "took over"    // intake or collector stored it
	Arrived      Happening = "arrived"      // the collector stored it
	Drafting     Happening = "drafted"      // a file that we write was decided
	Written      Happening = "written"      // that file stands in the spool
	RouteFound   Happening = "routed"       // checked and routed
	WasSealed    Happening = "sealed"       // signed and encrypted
	Outdated     Happening = "outdated"     // a key it was sealed with ended, was revoked or replaced; it is sealed anew
	Begun        Happening = "begun"        // the attempt is recorded, the line is used from here on
	Publishing   Happening = "publishing"   // both files are complete; the Auftragsdatei is about to get its name
	Proven       Happening = "delivered"    // the partner has it, with proof
	LineFailed   Happening = "line failed"  // nothing was published; try again later
	Stopped      Happening = "stopped"      // we stopped ourselves; nothing was published
	Unclear      Happening = "unclear"      // the line broke where the outcome cannot be known
	Interrupted  Happening = "interrupted"  // found after a restart with an attempt under way
	NotThere     Happening = "not there"    // looked: not published, so sending goes on
	Postponed    Happening = "postponed"    // waits: window, order, partner stopped, line down
	Confirmed    Happening = "accepted"     // a positive answer named it
	Refused      Happening = "rejected"     // a negative answer named it, or our check found it wrong
	PeriodPassed Happening = "uncontested"  // no rejection within the period
	AnswerLate   Happening = "overdue"      // no answer within the period
	Holding      Happening = "held"         // an operator must decide
	Released     Happening = "released"     // an operator lets it go on from the start
	Redrafted    Happening = "drafted anew" // an operator lets a file that we write be written again
	Reopened     Happening = "reopened"     // an operator lets an inbound delivery be opened again
	Vouched      Happening = "vouched for"  // an operator has evidence that the partner has it
	Resumed      Happening = "resumed"      // an operator lets it go on; its number is allotted, so looking comes first
	Withdrawn    Happening = "cancelled"    // an operator gives it up
	Judged       Happening = "opened"       // verified, checked, verdict and answer recorded
	Staged       Happening = "staged"       // written in the back end's folder under a temporary name
	HandedOver   Happening = "handed over"  // has its name in the back end's folder
	Settled      Happening = "settled"      // an answer found the delivery it answers
	Retrying     Happening = "retrying"     // a local fault (disk, folder); again later
	Noted        Happening = "noted"        // something worth keeping that moves nothing
	Quarantining Happening = "quarantined"  // not taken into work
)

// Moves is the table of allowed moves: from a state, by a happening, to a state.
// The empty state is "not yet in the ledger".
func Moves() map[State]map[Happening]State {
	answered := func(m map[Happening]State) map[Happening]State {
		m[Confirmed], m[Refused] = Accepted, Rejected
		return m
	}
	return map[State]map[Happening]State{
		"": {TookOver: Taken, Arrived: Received, Drafting: Drafted, Quarantining: Quarantined},

		Taken:   {RouteFound: Routed, Refused: Rejected, Holding: Held, Retrying: Taken},
		Drafted: {Written: Routed, Retrying: Drafted, Holding: Held},
		Routed:  {WasSealed: Sealed, Holding: Held, Retrying: Routed},
		Sealed:  {Begun: Sending, Outdated: Routed, Postponed: Sealed, Holding: Held, Retrying: Sealed},
		Sending: answered(map[Happening]State{
			Publishing: Sending, Proven: Delivered, LineFailed: Sealed, Stopped: Sealed,
			Unclear: Unknown, Interrupted: Unknown, Holding: Held,
		}),
		Unknown:     answered(map[Happening]State{Proven: Delivered, NotThere: Sealed, Postponed: Unknown, Holding: Held}),
		Delivered:   answered(map[Happening]State{PeriodPassed: Uncontested, AnswerLate: Overdue}),
		Overdue:     answered(map[Happening]State{}),
		Uncontested: answered(map[Happening]State{}),

		Received: {Judged: Opened, Settled: Accepted, Refused: Rejected, Holding: Held, Retrying: Received},
		Opened:   {Staged: Handing, Retrying: Opened, Holding: Held},
		Handing:  {HandedOver: Accepted, Retrying: Handing, Holding: Held},

		Held: answered(map[Happening]State{
			Released: Taken, Redrafted: Drafted, Reopened: Received, Resumed: Unknown, Vouched: Delivered, Withdrawn: Cancelled,
		}),
		Accepted:    {},
		Rejected:    {},
		Quarantined: {Withdrawn: Cancelled},
		Cancelled:   {},
	}
}

// States lists every state in the order in which a file meets them.
func States() []State {
	return []State{
		Taken, Drafted, Routed, Sealed, Sending, Unknown, Delivered, Overdue, Uncontested,
		Received, Opened, Handing, Accepted, Rejected, Held, Quarantined, Cancelled,
	}
}

// ErrMove is wrapped by the error of [Next].
var ErrMove = errors.New("move not allowed")

// table is Moves, made once.
var table = sync.OnceValue(Moves)

// Next tells where a delivery goes from a state by a happening. Noted is
// allowed everywhere and moves nothing.
func Next(from State, by Happening) (State, error) {
	if by == Noted && from != "" {
		return from, nil
	}
	if to, ok := table()[from][by]; ok {
		return to, nil
	}
	return from, fmt.Errorf("%w: %q cannot happen in state %q", ErrMove, by, from)
}
