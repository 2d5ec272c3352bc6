package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"gateway301/annex"
	"gateway301/exchange"
)

// Findings are what our own check found in one file, kept in the spool beside it.
// Places, codes and texts are those of [annex.Finding]: no values of messages.
type Findings struct {
	Errors   int                  `json:"errors"`
	Warnings int                  `json:"warnings"`
	Stages   [4]annex.StageResult `json:"stages"`   // of the messages, stage 1 first
	List     []annex.Finding      `json:"list"`     // the first 1,000, in order of appearance
	LeftOut  []annex.Refused      `json:"left_out"` // messages that went no further while others did
}

// PartFindings is the name under which [Findings] lie in the spool.
const PartFindings = "findings.json"

// ReadFindings reads the findings of a delivery; none are no error. open opens a
// part of its spool folder.
func ReadFindings(open func(part string) (io.ReadCloser, error)) (f Findings, err error) {
	r, err := open(PartFindings)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return f, err
	}
	defer r.Close()
	return f, json.NewDecoder(r).Decode(&f)
}

// keepFindings writes what a check found beside its file, or removes what an
// earlier check of it found.
func (p *Pipeline) keepFindings(d exchange.Delivery, rep *annex.Report) error {
	f := Findings{Errors: rep.Errors, Warnings: rep.Warnings, Stages: rep.Stages, List: rep.Findings}
	if rep.Verdict == annex.Partly {
		f.LeftOut = rep.Refused
	}
	if f.Errors+f.Warnings == 0 {
		return p.Spool.Drop(d.Intake, PartFindings)
	}
	_, _, err := p.Spool.Write(d.Intake, PartFindings, func(w io.Writer) error { return json.NewEncoder(w).Encode(f) })
	return err
}

// examine checks the plain file of a delivery as the partner's row says.
func (p *Pipeline) examine(ctx context.Context, d exchange.Delivery, l *lane, o annex.CheckOptions) (annex.Report, error) {
	f, err := p.part(d, partPlain)
	if err != nil {
		return annex.Report{}, err
	}
	defer f.Close()
	o.Now, o.Tables, o.Confirmed = p.Now().In(p.Location), p.Tables, true
	if l != nil {
		o.Severities, o.Procedure = l.Severities, l.Procedure
	}
	return annex.Check(ctx, f, o)
}

// checks are the payer's own checks, stage 4.
func (p *Pipeline) checks() ([]annex.MessageCheck, error) {
	if p.Checks == nil {
		return nil, nil
	}
	return p.Checks()
}

// sending says what errors do in a file that is to be sent, by stage.
func (l *lane) sending() (effects [5]annex.Effect) {
	for stage := 2; stage <= 4; stage++ {
		switch l.OnFindings[stage] {
		case exchange.FindingsHold:
			effects[stage] = annex.RefusesFile
		case exchange.FindingsSplit:
			effects[stage] = annex.RefusesMessage
		default:
			effects[stage] = annex.RefusesNothing
		}
	}
	return effects
}

// receiving says what errors do in a file from the partner, by stage. What the row
// does not say is the default: stage 1 the file, later ones the message.
func (l *lane) receiving() (effects [5]annex.Effect) {
	for stage, reject := range l.Reject {
		effects[stage] = map[exchange.Reject]annex.Effect{
			exchange.RejectFile: annex.RefusesFile, exchange.RejectMessage: annex.RefusesMessage, exchange.RejectNothing: annex.RefusesNothing,
		}[reject]
	}
	return effects
}

// summary words what a check found: the first error, or else the first finding,
// with its place, and how many there are. Texts of our rules hold no values that
// could be patient data; those of a payer's own program might, so its code must do.
func summary(rep *annex.Report) string {
	if len(rep.Findings) == 0 {
		return "no finding"
	}
	f := &rep.Findings[0]
	for i := range rep.Findings {
		if rep.Findings[i].Severity == annex.Error {
			f = &rep.Findings[i]
			break
		}
	}
	s := f.Code
	if f.Stage < 4 {
		s += " " + f.TextEN
	}
	s += " (" + place(f) + ")"
	if rep.Errors+rep.Warnings > 1 {
		s += "; in all " + counted(rep)
	}
	return s
}

// counted tells how many errors and warnings there are.
func counted(rep *annex.Report) string {
	switch {
	case rep.Warnings == 0:
		return number(int64(rep.Errors), "error")
	case rep.Errors == 0:
		return number(int64(rep.Warnings), "warning")
	}
	return number(int64(rep.Errors), "error") + ", " + number(int64(rep.Warnings), "warning")
}

// remarks says what is to be known of a file that goes on: what was found, and
// that stage 4 could not say its word. Empty: nothing.
func remarks(rep *annex.Report, stage4 bool) string {
	s := ""
	if rep.Errors+rep.Warnings > 0 {
		s = "; " + counted(rep) + ": " + summary(rep)
	}
	n := rep.Stages[3].NotChecked // that no earlier stage has refused
	for _, earlier := range rep.Stages[:3] {
		n -= earlier.Failed
	}
	if stage4 && n > 0 {
		s += "; stage 4 not checked in " + messages(n)
	}
	return s
}

func number(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func messages(n int64) string { return number(n, "message") }
