package acks

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"gateway301/annex"
	"gateway301/exchange"
)

// ErrNoAnswer tells that a file holds nothing that answers a delivery.
var ErrNoAnswer = errors.New("no answer in the file")

// maxFindings is how many findings of a file a receipt holds.
const maxFindings = 1000

// Codes are the FHL.4 of one partner that are no rejection. Everything else is:
// doubt means no.
type Codes struct {
	Accepted []string // Annahmebestätigung
	Hint     []string // Annahmebestätigung mit Hinweis
}

// verdict tells what a code means.
func (c Codes) verdict(code string) exchange.Verdict {
	switch {
	case code == "":
	case slices.Contains(c.Accepted, code):
		return exchange.VerdictAccepted
	case slices.Contains(c.Hint, code):
		return exchange.VerdictHint
	}
	return exchange.VerdictRejected
}

// Read reads an opened, plain answer. All that one file says is one receipt: it
// rejects if anything in it does, and else has a hint if anything in it is one.
// Findings are what rejects and hints, the first 1,000 of them.
//
// The error wraps [ErrNoAnswer] when the file holds neither a FEHL message nor an
// FHL; one that is cut or no EDIFACT gives the errors of [annex.ReadFEHL].
func Read(r io.Reader, codes Codes) ([]exchange.Receipt, error) {
	var rc exchange.Receipt
	envelope, err := annex.ReadFEHL(r, func(m annex.FEHLMessage) error {
		if len(m.FHL) == 0 {
			// A Fehlernachricht that names nothing confirms nothing.
			note(&rc, exchange.VerdictRejected, finding(m, annex.FHL{}))
		}
		for _, fault := range m.FHL {
			note(&rc, codes.verdict(fault.Code), finding(m, fault))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("answer: %w", err)
	}
	if rc.Verdict == "" {
		return nil, ErrNoAnswer
	}
	rc.Sender, rc.Recipient, rc.ApplicationRef = envelope.Recipient, envelope.Sender, envelope.ApplicationRef
	return []exchange.Receipt{rc}, nil
}

// note takes one FHL into the receipt. The worst verdict counts.
func note(rc *exchange.Receipt, v exchange.Verdict, f exchange.Finding) {
	if rc.Verdict != exchange.VerdictRejected && (v != exchange.VerdictAccepted || rc.Verdict == "") {
		rc.Verdict = v
	}
	if v != exchange.VerdictAccepted && len(rc.Findings) < maxFindings {
		rc.Findings = append(rc.Findings, f)
	}
}

// finding says which message of ours an FHL is about: the one that came back, or
// the one that FHL.5 names.
func finding(m annex.FEHLMessage, fault annex.FHL) exchange.Finding {
	f := exchange.Finding{
		Segment: fault.Segment, Position: fault.Position, Element: fault.Element,
		Code: fault.Code, Text: fault.Text,
	}
	if m.Returned() {
		f.Reference, f.Type = m.Reference, m.Type
		_, f.Message, _ = annex.MessageReference("UNH " + m.Reference)
	} else {
		f.Reference, f.Message, _ = annex.MessageReference(fault.Text)
	}
	return f
}

// IsAnswer tells from the check of an inbound file whether it answers something:
// it consists of FEHL messages alone, or of messages that only a hospital sends
// and that came back with FHL inside.
func IsAnswer(r *annex.Report) bool {
	if len(r.Types) == 0 || r.Truncated {
		return false
	}
	for _, t := range r.Types {
		if t != annex.TypeFEHL && !(r.FHL > 0 && annex.FromHospital(t)) {
			return false
		}
	}
	return true
}

// FromOrder makes a receipt of an Auftragsdatei that came back. ok is false when
// it states no error. The record is read as the one that we sent, filled in by
// the partner.
func FromOrder(a annex.Auftragsdatei) (rc exchange.Receipt, ok bool) {
	if !a.Returned() {
		return exchange.Receipt{}, false
	}
	return exchange.Receipt{
		Sender: a.AbsenderEigner, Recipient: a.EmpfaengerNutzer, ApplicationRef: a.Dateiname,
		TransferName: a.TransferName(), Created: a.DatumErstellung,
		Verdict: exchange.VerdictRejected,
		Findings: []exchange.Finding{{
			Code: fmt.Sprintf("%06d", a.FehlerNummer),
			Text: fmt.Sprintf("Auftragsdatei: FEHLER_NUMMER %06d, FEHLER_MASSNAHME %06d", a.FehlerNummer, a.FehlerMassnahme),
		}},
	}, true
}
