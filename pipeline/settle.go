package pipeline

import (
	"context"
	"errors"

	"gateway301/exchange"
)

// settle ends the waiting for answers whose period has passed, and finds the
// attempts that another node has left behind. One node does this at a time.
func (p *Pipeline) settle(ctx context.Context) (int, error) {
	return p.inTurn(ctx, schedules, func(ctx context.Context) (int, error) {
		found := 0
		if p.Shared {
			var err error
			if found, err = p.interrupted(ctx); err != nil {
				return found, err
			}
		}
		settled, err := p.periods(ctx)
		return found + settled, err
	})
}

func (p *Pipeline) periods(ctx context.Context) (int, error) {
	settled := 0
	for {
		rows, err := p.Ledger.Due(ctx, p.Now(), 100, exchange.Delivered)
		if err != nil || len(rows) == 0 {
			return settled, err
		}
		for _, d := range rows {
			m := exchange.Move{ID: d.ID, From: d.State, By: exchange.PeriodPassed, Text: "no rejection came within the period"}
			if l := p.partners[d.Partner]; d.Kind == exchange.Answer {
				m.Text = "an answer is not answered"
			} else if l != nil && l.Answers == exchange.AnswersAlways {
				m.By, m.Text = exchange.AnswerLate, "the partner's answer did not come within the period; ask the partner"
			} else if l != nil && l.Answers == exchange.AnswersNever {
				m.Text = "this partner never answers"
			}
			if _, err := p.apply(ctx, m); err != nil && !errors.Is(err, exchange.ErrMoved) { // an answer was faster
				return settled, err
			}
			settled++
		}
	}
}
