package pipeline

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"gateway301/annex"
	"gateway301/channels"
	"gateway301/crypto"
	"gateway301/exchange"
	"gateway301/schedule"
)

// A Ledger is what the pipeline asks of the store.
type Ledger interface {
	Apply(ctx context.Context, moves ...exchange.Move) ([]exchange.Delivery, error)
	Begin(ctx context.Context, m exchange.Move, a exchange.Allotment) (exchange.Delivery, error)
	TakeFetched(ctx context.Context, turn exchange.Turn, d exchange.Delivery, text string, originals []exchange.Fetched) (exchange.Delivery, error)
	FetchedFrom(ctx context.Context, partner string) ([]exchange.Fetched, error)
	Forget(ctx context.Context, partner string, f exchange.Fetched) error

	Claim(ctx context.Context, lease exchange.Lease, now time.Time, limit int, busy []int64) ([]exchange.Delivery, error)
	Renew(ctx context.Context, lease exchange.Lease, id int64) error
	Turn(ctx context.Context, name string, lease exchange.Lease) (bool, error)
	Abandon(ctx context.Context, node string) error
	Interrupted(ctx context.Context, limit int) ([]exchange.Delivery, error)

	Delivery(ctx context.Context, id int64) (exchange.Delivery, error)
	Events(ctx context.Context, delivery int64) ([]exchange.Event, error)
	Due(ctx context.Context, now time.Time, limit int, states ...exchange.State) ([]exchange.Delivery, error)
	NextToSend(ctx context.Context, now time.Time, partner string) (exchange.Delivery, error)
	Predecessor(ctx context.Context, d exchange.Delivery) (exchange.Predecessor, error)
	WakeAll(ctx context.Context, at time.Time) error
	SentBefore(ctx context.Context, d exchange.Delivery, since time.Time) (exchange.Delivery, error)
	GapBefore(ctx context.Context, d exchange.Delivery) (string, error)
	NextDue(ctx context.Context, after time.Time) (time.Time, error)
	OutboundNamed(ctx context.Context, applicationRef string) ([]exchange.Delivery, error)
	SameIdentity(ctx context.Context, owner, verfahren, created string) ([]exchange.Delivery, error)
	RejectedBefore(ctx context.Context, account, name string, before int64) (exchange.Delivery, error)

	Notice(ctx context.Context, n exchange.Notice) (first bool, err error)
	Stopped(ctx context.Context) (map[string]exchange.Stop, error)
	StopPartner(ctx context.Context, s exchange.Stop) error
	ResumePartner(ctx context.Context, partner string) (bool, error)
	Collected(ctx context.Context, partner string, at time.Time) error
}

// A Spool is where the bytes of deliveries are kept.
type Spool interface {
	Put(ctx context.Context, token, part string, r io.Reader) (size int64, sha256 string, err error)
	Write(token, part string, fill func(io.Writer) error) (size int64, sha256 string, err error)
	Open(token, part string) (*os.File, error)
	Has(token, part string) bool
	Path(token, part string) (string, error)
	Drop(token, part string) error
	Remove(token string) error
}

// ErrNoKey is wrapped by Keys when there is no own key at all for an IK.
var ErrNoKey = errors.New("no own key for IK")

// Keys finds keys and certificates. An error means that none may be used at
// that time; its text names IK and date.
type Keys interface {
	// Sealing says how a file to a partner is signed as one IK and encrypted for
	// another. The first recipient is the one whose key must last until the file is
	// published.
	Sealing(partner, signer, recipient string, at time.Time) (crypto.Sealing, error)
	// Opening says how what came from a partner is opened and whom to believe.
	Opening(partner string, receivedAt time.Time) crypto.OpenOptions
}

// An Intake takes files from one outbox.
type Intake interface {
	// Name is that of the outbox.
	Name() string
	// Scan looks once; pending counts files that are not complete yet.
	Scan(ctx context.Context) (taken, pending int, err error)
	// Run looks until ctx ends and calls taken after each take-over.
	Run(ctx context.Context, taken func()) error
	// Every is the pause between two looks.
	Every() time.Duration
}

// An Identity is one of our own IKs.
type Identity struct {
	IK    string
	Inbox string // folder where what arrives for it is handed over
}

// An Outbox is what the pipeline must know of an outbox: who owns what is in it.
type Outbox struct {
	Owner, Physical string // IKs
}

// A Partner is a partner's row with the means to reach it.
type Partner struct {
	exchange.Partner
	Channel         channels.Channel
	Window          schedule.Window // for starting a pair
	Grace           time.Duration   // a pair begun in the window may finish this long after it
	Collects        bool            // there is a folder to collect from
	Collect         schedule.Window
	CollectEvery    time.Duration
	IncompleteAfter time.Duration // how long a file waits for its other half
	Retry           schedule.Backoff
	AcceptCodes     []string                  // FHL.4 codes that mean "accepted"
	HintCodes       []string                  // FHL.4 codes that mean "accepted with hint"
	AnswerProfile   string                    // of annex
	Codes           map[string]string         // codes of ours → what this partner wants in FHL.4
	Severities      map[string]annex.Severity // of rules, by their code, for files to and from it
	Charset         annex.Zeichensatz         // of files to it; empty: I1
	Procedure       *annex.Procedure          // nil: § 301
	OpenPGP         bool                      // in place of CMS, both ways
	Credential      string                    // fingerprint of login and pins: a change lifts a stop
}

// Settings are the values that wiring hands to a pipeline.
type Settings struct {
	Ledger     Ledger
	Spool      Spool
	Keys       Keys
	Intakes    []Intake
	Outboxes   map[string]Outbox // by name
	Identities []Identity
	Partners   []Partner
	Routes     []exchange.Route
	Mandates   []exchange.Mandate
	Checks     func() ([]annex.MessageCheck, error)  // stage 4, read afresh for each file; nil: none
	Tables     *annex.Tables                         // stages 2 and 3; nil: these are not checked
	Known      *annex.Partners                       // who is known in files that are received; nil: not checked
	Endings    func(now time.Time) []exchange.Notice // keys and certificates that end soon; nil: nobody looks
	Location   *time.Location                        // of windows, creation times and UNB times
	Log        zerolog.Logger
	Now        func() time.Time                       // nil: time.Now
	Workers    int                                    // checks, seals and openings at the same time; 0: 2
	Moved      func(exchange.Move, exchange.Delivery) // called after each move, by several goroutines; nil: nothing
	Started    func()                                 // called by Run after recovery; nil: nothing
	After      *Pipeline                              // whose work Run takes over, loop by loop, once Stop was called there; nil: none

	Node     string        // this process, among those that share the ledger; empty: there is no other
	Shared   bool          // other nodes may work on the same ledger: what one does at a time is done in turns
	LeaseFor time.Duration // how long a lease holds unless prolonged; 0: a minute
}

// Pipeline is the road. Use New.
type Pipeline struct {
	Settings
	partners   map[string]*lane
	identities map[string]Identity
	table      *exchange.Table
	troubles   counter
	leases     leases
	wakes      []chan struct{}
	more       chan struct{} // something may be due for a free worker of the stations
	stopping   chan struct{}
	stopOnce   sync.Once
	ended      map[string]chan struct{} // by name of a loop, see inSuccession
	succeeded  atomic.Bool              // another pipeline goes on with our name
}

// New prepares a pipeline. Nothing happens before Run or Once.
func New(s Settings) *Pipeline {
	if s.Now == nil {
		s.Now = time.Now
	}
	if s.Workers == 0 {
		s.Workers = 2
	}
	if s.Node == "" {
		s.Node = ours
	}
	if s.LeaseFor == 0 {
		s.LeaseFor = leaseFor
	}
	p := &Pipeline{Settings: s, leases: leases{inHand: map[int64]bool{}, turns: map[string]time.Time{}}, partners: map[string]*lane{}, identities: map[string]Identity{}, stopping: make(chan struct{}), more: make(chan struct{}, 1)}
	for i := range s.Partners {
		p.partners[s.Partners[i].Name] = &lane{Partner: &s.Partners[i], firstSeen: map[string]sighting{}}
	}
	for _, r := range s.Routes {
		if l := p.partners[r.Partner]; l != nil {
			l.modes = append(l.modes, r.Mode)
		}
	}
	p.ended = p.loopNames()
	if s.After != nil {
		s.After.succeeded.Store(true)
	}
	p.table = exchange.NewTable(s.Routes)
	p.wakes = make([]chan struct{}, 2+len(p.partners)) // one for each loop of Run
	for i := range p.wakes {
		p.wakes[i] = make(chan struct{}, 1)
	}
	for _, id := range s.Identities {
		p.identities[id.IK] = id
	}
	return p
}

// Stop lets Run and Once finish the files in hand and then return. Ending their
// context makes them leave at once.
func (p *Pipeline) Stop() { p.stopOnce.Do(func() { close(p.stopping) }) }

func (p *Pipeline) stopped() bool {
	select {
	case <-p.stopping:
		return true
	default:
		return false
	}
}

// Close gives up the connections to all partners.
func (p *Pipeline) Close() error {
	var errs []error
	for _, l := range p.partners {
		errs = append(errs, l.Channel.Close())
	}
	return errors.Join(errs...)
}

// Troubles tells how many deliveries became held or rejected since New.
func (p *Pipeline) Troubles() int { return p.troubles.value() }

// apply asks the ledger for moves, logs each and wakes whoever may go on.
func (p *Pipeline) apply(ctx context.Context, moves ...exchange.Move) ([]exchange.Delivery, error) {
	for i := range moves {
		if moves[i].At.IsZero() {
			moves[i].At = p.Now()
		}
		if p.leases.holds(moves[i].ID) {
			moves[i].Holder = p.Node
		}
	}
	rows, err := p.Ledger.Apply(ctx, moves...)
	if err != nil {
		return nil, err
	}
	for i := range rows {
		p.moved(moves[i], rows[i])
	}
	p.wake()
	return rows, nil
}

// moved writes the one log line of a state change.
func (p *Pipeline) moved(m exchange.Move, d exchange.Delivery) {
	if p.Moved != nil {
		p.Moved(m, d)
	}
	level := zerolog.InfoLevel
	switch {
	case d.State == exchange.Held || d.State == exchange.Rejected || d.State == exchange.Overdue:
		level = zerolog.WarnLevel
	case m.By == exchange.Retrying || m.Cause == exchange.OrderGap:
		level = zerolog.WarnLevel
	case m.By == exchange.Postponed || m.By == exchange.Publishing:
		level = zerolog.DebugLevel
	}
	if d.State != m.From && (d.State == exchange.Held || d.State == exchange.Rejected) {
		p.troubles.add()
	}
	e := p.Log.WithLevel(level).Int64(logDelivery, d.ID).Str(logState, string(d.State))
	if d.Partner != "" {
		e = e.Str(logPartner, d.Partner)
	}
	if d.TransferName != "" {
		e = e.Str(logTransfer, d.TransferName)
	}
	if d.Attempt > 0 {
		e = e.Int(logAttempt, d.Attempt)
	}
	if m.Cause != exchange.NoCause {
		e = e.Str(logCause, string(m.Cause))
	}
	if m.Text != "" {
		e = e.Str(logReason, m.Text)
	}
	e.Msg(string(m.By))
}

// Keys of log lines.
const (
	logDelivery = "delivery"
	logPartner  = "partner"
	logState    = "state"
	logTransfer = "transfer"
	logAttempt  = "attempt"
	logCause    = "cause"
	logReason   = "reason"
)
