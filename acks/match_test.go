package acks

import (
	"errors"
	"testing"

	"gateway301/exchange"
)

// delivery is a file from 260500005 to 109910000 that the partner has.
func delivery(id int64, ref string, s exchange.State) exchange.Delivery {
	return exchange.Delivery{
		ID: id, Direction: exchange.Out, Kind: exchange.File, State: s,
		Envelope: exchange.Envelope{Sender: "260500005", Recipient: "109910000", ApplicationRef: ref},
		Owner:    "260500005", EncryptTo: "109910000", SendTo: "109910000",
		TransferName: "EKRH0042", Created: "20261123013000", Published: true,
	}
}

// with changes a delivery.
func with(d exchange.Delivery, change func(*exchange.Delivery)) exchange.Delivery {
	change(&d)
	return d
}

func TestMatch(t *testing.T) {
	const ref, other = "KRH00000007", "KRH00000008"
	fehl := exchange.Receipt{Sender: "260500005", Recipient: "109910000", ApplicationRef: ref}
	order := exchange.Receipt{Sender: "260500005", Recipient: "109910000", ApplicationRef: ref, TransferName: "EKRH0042", Created: "20261123013000"}
	rc := func(r exchange.Receipt, change func(*exchange.Receipt)) exchange.Receipt { change(&r); return r }
	all := func(d ...exchange.Delivery) []exchange.Delivery { return d }
	in := func(s exchange.State) exchange.Delivery { return delivery(1, ref, s) }
	unpublished := func(s exchange.State) exchange.Delivery {
		return with(in(s), func(d *exchange.Delivery) { d.Published = false })
	}
	for _, c := range []struct {
		name       string
		rc         exchange.Receipt
		candidates []exchange.Delivery
		want       int64
		err        error
	}{
		{"delivered", fehl, all(in(exchange.Delivered)), 1, nil},
		{"among others", fehl, all(delivery(2, other, exchange.Delivered), in(exchange.Delivered), delivery(3, "", exchange.Delivered)), 1, nil},

		{"early: attempt under way", fehl, all(in(exchange.Sending)), 1, nil},
		{"early: outcome unknown", fehl, all(in(exchange.Unknown)), 1, nil},
		{"early: looked, not there any more", fehl, all(in(exchange.Sealed)), 1, nil},
		{"too early: nothing published yet", fehl, all(unpublished(exchange.Sending)), 0, ErrOrphan},
		{"too early: sealed", fehl, all(unpublished(exchange.Sealed)), 0, ErrOrphan},
		{"too early: taken", fehl, all(unpublished(exchange.Taken)), 0, ErrOrphan},
		{"held before it was sent", fehl, all(unpublished(exchange.Held)), 0, ErrOrphan},
		{"held after it was published", fehl, all(in(exchange.Held)), 1, nil},
		{"rejected by our own check", fehl, all(with(unpublished(exchange.Rejected), func(d *exchange.Delivery) { d.TransferName, d.Cause = "", exchange.ByCheck })), 0, ErrOrphan},
		{"cancelled before it was sent", fehl, all(unpublished(exchange.Cancelled)), 0, ErrOrphan},

		{"late: uncontested", fehl, all(in(exchange.Uncontested)), 1, nil},
		{"late: overdue", fehl, all(in(exchange.Overdue)), 1, nil},
		{"delivered, flag not set", fehl, all(unpublished(exchange.Delivered)), 1, nil},

		{"duplicate: accepted before", fehl, all(in(exchange.Accepted)), 1, nil},
		{"duplicate: rejected before", fehl, all(with(unpublished(exchange.Rejected), func(d *exchange.Delivery) { d.Cause = exchange.ByPartner })), 1, nil},
		{"withdrawn after it was published", fehl, all(in(exchange.Cancelled)), 1, nil},

		{"corrected: the one that waits", fehl, all(in(exchange.Rejected), delivery(2, ref, exchange.Delivered)), 2, nil},
		{"corrected: before or behind", fehl, all(delivery(2, ref, exchange.Overdue), in(exchange.Rejected), delivery(3, ref, exchange.Accepted)), 2, nil},
		{"corrected: not sent yet", fehl, all(in(exchange.Rejected), with(delivery(2, ref, exchange.Routed), func(d *exchange.Delivery) { d.Published = false })), 1, nil},

		{"ambiguous: two wait", fehl, all(in(exchange.Delivered), delivery(2, ref, exchange.Uncontested)), 0, ErrAmbiguous},
		{"ambiguous: two answered", fehl, all(in(exchange.Accepted), delivery(2, ref, exchange.Rejected)), 0, ErrAmbiguous},
		{"ambiguous: two wait, one answered", fehl, all(in(exchange.Delivered), delivery(2, ref, exchange.Delivered), delivery(3, ref, exchange.Accepted)), 0, ErrAmbiguous},

		{"foreign: nothing there", fehl, nil, 0, ErrOrphan},
		{"foreign: other reference", fehl, all(delivery(2, other, exchange.Delivered)), 0, ErrOrphan},
		{"foreign: nearly the same reference", fehl, all(delivery(2, "krh00000007", exchange.Delivered), delivery(3, "KRH0000007", exchange.Delivered), delivery(4, ref+" ", exchange.Delivered)), 0, ErrOrphan},
		{"foreign: for another hospital", rc(fehl, func(r *exchange.Receipt) { r.Sender = "260500016" }), all(in(exchange.Delivered)), 0, ErrOrphan},
		{"foreign: by another insurer", rc(fehl, func(r *exchange.Receipt) { r.Recipient = "108018007" }), all(in(exchange.Delivered)), 0, ErrOrphan},
		{"foreign: parties not swapped", rc(fehl, func(r *exchange.Receipt) { r.Sender, r.Recipient = r.Recipient, r.Sender }), all(in(exchange.Delivered)), 0, ErrOrphan},
		{"foreign: an inbound file", fehl, all(with(in(exchange.Accepted), func(d *exchange.Delivery) { d.Direction = exchange.In; d.Kind = exchange.Pair })), 0, ErrOrphan},
		{"foreign: an answer of ours", fehl, all(with(in(exchange.Delivered), func(d *exchange.Delivery) { d.Kind = exchange.Answer })), 0, ErrOrphan},
		{"names nothing", exchange.Receipt{Sender: "260500005", Recipient: "109910000"}, all(in(exchange.Delivered)), 0, ErrOrphan},
		{"names nothing, delivery without reference", exchange.Receipt{Sender: "260500005", Recipient: "109910000"}, all(delivery(1, "", exchange.Delivered)), 0, ErrOrphan},
		{"no parties", exchange.Receipt{ApplicationRef: ref}, all(with(in(exchange.Delivered), func(d *exchange.Delivery) { d.Envelope.Sender, d.Envelope.Recipient = "", "" })), 0, ErrOrphan},

		{"order", order, all(in(exchange.Delivered)), 1, nil},
		{"order, parties swapped", rc(order, func(r *exchange.Receipt) { r.Sender, r.Recipient = r.Recipient, r.Sender }), all(in(exchange.Delivered)), 1, nil},
		{"order, by transfer name and time alone", rc(order, func(r *exchange.Receipt) { r.ApplicationRef = "" }), all(in(exchange.Delivered)), 1, nil},
		{"order, next hop", rc(order, func(r *exchange.Receipt) { r.Recipient = "108018007" }), all(with(in(exchange.Delivered), func(d *exchange.Delivery) { d.SendTo = "108018007" })), 1, nil},
		{"order, the same name in another turn of the counter", order, all(in(exchange.Delivered), with(delivery(2, ref, exchange.Delivered), func(d *exchange.Delivery) { d.Created = "20251123013000" })), 1, nil},
		{"order, other number", rc(order, func(r *exchange.Receipt) { r.TransferName = "EKRH0043" }), all(in(exchange.Delivered)), 0, ErrOrphan},
		{"order, test for production", rc(order, func(r *exchange.Receipt) { r.TransferName = "TKRH0042" }), all(in(exchange.Delivered)), 0, ErrOrphan},
		{"order, other time", rc(order, func(r *exchange.Receipt) { r.Created = "20261123013001" }), all(in(exchange.Delivered)), 0, ErrOrphan},
		{"order, other file name", rc(order, func(r *exchange.Receipt) { r.ApplicationRef = other }), all(in(exchange.Delivered)), 0, ErrOrphan},
		{"order, other owner", rc(order, func(r *exchange.Receipt) { r.Sender = "260500016" }), all(in(exchange.Delivered)), 0, ErrOrphan},
		{"order, stranger", rc(order, func(r *exchange.Receipt) { r.Recipient = "108018007" }), all(in(exchange.Delivered)), 0, ErrOrphan},
		{"transfer name without time names nothing", exchange.Receipt{Sender: "260500005", Recipient: "109910000", TransferName: "EKRH0042"}, all(in(exchange.Delivered)), 0, ErrOrphan},
	} {
		got, err := Match(c.rc, c.candidates)
		if !errors.Is(err, c.err) || (err == nil) != (c.err == nil) || got.ID != c.want {
			t.Errorf("%s: delivery %d, %v; want %d, %v", c.name, got.ID, err, c.want, c.err)
		}
	}
}

// The order in which the ledger gives the candidates changes nothing.
func TestMatchDoesNotDependOnOrder(t *testing.T) {
	rc := exchange.Receipt{Sender: "260500005", Recipient: "109910000", ApplicationRef: "KRH00000007"}
	states := exchange.States()
	for _, a := range states {
		for _, b := range states {
			x, y := delivery(1, "KRH00000007", a), delivery(2, "KRH00000007", b)
			one, errOne := Match(rc, []exchange.Delivery{x, y})
			two, errTwo := Match(rc, []exchange.Delivery{y, x})
			if one.ID != two.ID || errors.Is(errOne, ErrAmbiguous) != errors.Is(errTwo, ErrAmbiguous) {
				t.Errorf("%s and %s: %d %v, then %d %v", a, b, one.ID, errOne, two.ID, errTwo)
			}
		}
	}
}
