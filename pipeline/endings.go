package pipeline

import (
	"context"
	"time"
)

// endingsEvery is the pause between two looks at the keys.
const endingsEvery = time.Hour

// tellEndings records which keys and certificates end soon, and logs each stage
// once, whoever was down at the very day.
func (p *Pipeline) tellEndings(ctx context.Context) error {
	if p.Endings == nil {
		return nil
	}
	for _, n := range p.Endings(p.Now()) {
		first, err := p.Ledger.Notice(ctx, n)
		if err != nil {
			return err
		}
		if first {
			p.Log.Warn().Int("stage", n.Stage).Str(logReason, n.Text).Msg("key or certificate ends")
		}
	}
	return nil
}

// watchEndings looks each hour until ctx ends.
func (p *Pipeline) watchEndings(ctx context.Context) error {
	for !p.stopped() {
		if err := p.tellEndings(ctx); err != nil && ctx.Err() == nil {
			p.Log.Error().Str(logReason, localFault(err)).Msg("keys that end: local fault, trying again")
		}
		if err := p.sleep(ctx, endingsEvery); err != nil {
			return err
		}
	}
	return nil
}
