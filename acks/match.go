package acks

import (
	"errors"
	"fmt"

	"gateway301/exchange"
)

// What [Match] can end with.
var (
	ErrOrphan    = errors.New("the answer names none of our deliveries")
	ErrAmbiguous = errors.New("the answer fits several deliveries")
)

// Match finds the delivery that a receipt names: exactly, or not at all. A
// delivery fits when the partner can have it, and everything that the receipt
// says about the original is true of it. Where several fit and exactly one of
// them still awaits an answer, it is that one; an answered one fits too, and its
// state shows the caller a duplicate or a contradiction.
//
// The error wraps [ErrOrphan] or [ErrAmbiguous] and says what was looked for.
func Match(rc exchange.Receipt, candidates []exchange.Delivery) (exchange.Delivery, error) {
	var waiting, fitting []int
	for i := range candidates {
		d := &candidates[i]
		if !reached(d) || !names(&rc, d) {
			continue
		}
		fitting = append(fitting, i)
		if awaits(d.State) {
			waiting = append(waiting, i)
		}
	}
	if len(waiting) == 1 {
		return candidates[waiting[0]], nil
	}
	switch len(fitting) {
	case 0:
		return exchange.Delivery{}, fmt.Errorf("%w: %s", ErrOrphan, wanted(&rc))
	case 1:
		return candidates[fitting[0]], nil
	}
	return exchange.Delivery{}, fmt.Errorf("%w: %s: %d deliveries", ErrAmbiguous, wanted(&rc), len(fitting))
}

// reached reports whether the partner can have the file: it was delivered, or an
// attempt came as far as publishing it. An answer can be earlier than our proof.
func reached(d *exchange.Delivery) bool {
	if d.Direction != exchange.Out || d.Kind != exchange.File {
		return false
	}
	switch d.State {
	case exchange.Delivered, exchange.Overdue, exchange.Uncontested, exchange.Accepted:
		return true
	case exchange.Rejected:
		return d.Published || d.HasNumber() && d.Cause == exchange.ByPartner
	}
	return d.Published
}

// awaits reports whether an answer can still settle a delivery in this state.
func awaits(s exchange.State) bool {
	switch s {
	case exchange.Accepted, exchange.Rejected, exchange.Cancelled:
		return false
	}
	return true
}

// names reports whether all that the receipt says is true of d. At least the
// Anwendungsreferenz, or transfer name and time of creation, must be said.
func names(rc *exchange.Receipt, d *exchange.Delivery) bool {
	if rc.ApplicationRef == "" && (rc.TransferName == "" || rc.Created == "") {
		return false
	}
	says := func(said, is string) bool { return said == "" || said == is }
	if !says(rc.ApplicationRef, d.Envelope.ApplicationRef) || !says(rc.TransferName, d.TransferName) || !says(rc.Created, d.Created) {
		return false
	}
	if rc.Created == "" {
		return rc.Sender != "" && rc.Sender == d.Envelope.Sender && rc.Recipient == d.Envelope.Recipient
	}
	return ours(rc, d)
}

// ours reports whether the parties of an Auftragsdatei that came back are those
// of d. Whether a partner returns them as they were or swapped was never seen, so
// both are taken: transfer name and time of creation leave no room for a mistake.
func ours(rc *exchange.Receipt, d *exchange.Delivery) bool {
	return rc.Sender == d.Owner && (rc.Recipient == d.EncryptTo || rc.Recipient == d.SendTo) ||
		rc.Recipient == d.Owner && (rc.Sender == d.EncryptTo || rc.Sender == d.SendTo)
}

// wanted says what the receipt names, for the operator.
func wanted(rc *exchange.Receipt) string {
	s := fmt.Sprintf("Anwendungsreferenz %q from %q to %q", rc.ApplicationRef, rc.Sender, rc.Recipient)
	if rc.TransferName != "" {
		s += fmt.Sprintf(", transfer name %q", rc.TransferName)
	}
	if rc.Created != "" {
		s += fmt.Sprintf(", created %q", rc.Created)
	}
	return s
}
