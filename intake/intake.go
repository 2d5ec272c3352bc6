package intake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"gateway301/exchange"
)

// What callers decide on.
var (
	// ErrDiskFloor is wrapped by the error of [Intake.Scan] while the file system
	// of the spool, or of the quarantine folder, has too little room. Files stay in
	// the outbox until it has again.
	ErrDiskFloor = errors.New("too little room on the disk")
	// ErrOutbox is wrapped by the error of [New].
	ErrOutbox = errors.New("an outbox cannot be used like this")
)

// An Outbox says where files are laid down and how they are taken. The zero
// values of Looks, Every and MaxSize stand for 3, two seconds and no limit.
type Outbox struct {
	Name       string // the account in the ledger
	Path       string // folder
	Owner      string // ABSENDER_EIGNER of its files, an IK
	Physical   string // ABSENDER_PHYSIKALISCH, an IK
	Mode       exchange.Mode
	Marker     string        // suffix; FILE is finished when FILE+Marker exists; empty: no markers
	Looks      int           // how often a file must be seen unchanged
	Every      time.Duration // between two looks
	MaxSize    int64         // bytes
	Ignore     []string      // suffixes of unfinished files
	Quarantine string        // folder for what cannot be taken; made when needed, mode 0700
	Floor      int64         // bytes that stay free in the spool, and in the quarantine folder

	// Right tells whether the folder is the one that is meant: an unmounted share
	// leaves an empty folder behind, which is no empty outbox. Nil: it always is.
	Right func() error
	// Polled says that there are no file events for what others lay down, as on
	// network mounts, so that only the looks count.
	Polled bool
}

// A Spool keeps the copies, a folder for each token.
type Spool interface {
	// Put stores all of r durably, file and folder synced, and returns its length
	// in bytes and its SHA-256 in hex. A part that fails leaves nothing behind but
	// perhaps the token's folder. Errors of r can be told from its own by [errors.As].
	Put(ctx context.Context, token, part string, r io.Reader) (size int64, sha256 string, err error)
	// Remove removes all of a token, if there is anything.
	Remove(token string) error
	// Free tells how many bytes may still be written.
	Free() (int64, error)
}

// A Ledger remembers what was taken.
type Ledger interface {
	// Take records a new delivery with its first event. With an intake identity
	// that is known already it changes nothing and returns that row.
	Take(ctx context.Context, d exchange.Delivery, by exchange.Happening, text string) (exchange.Delivery, error)
	// TakenFrom returns the latest delivery of an account with this fingerprint;
	// the error wraps [exchange.ErrNotFound] if there is none.
	TakenFrom(ctx context.Context, account, fingerprint string) (exchange.Delivery, error)
	// HasIntake reports whether a row has this intake identity.
	HasIntake(ctx context.Context, token string) (bool, error)
}

// An Intake takes files from one outbox. It may be used by one goroutine at a time.
type Intake struct {
	box    Outbox
	spool  Spool
	ledger Ledger
	log    zerolog.Logger

	// Tests fake these.
	disk  disk
	now   func() time.Time
	quiet bool // do without file events

	seen    map[string]*entry   // by name: what the last look found
	temps   map[uint64]unready  // by inode: what had a temporary name lately
	strange map[string]string   // by name: what is no regular file, told already
	cleared map[int64]time.Time // by row: when its original was moved out of the way, lately
	look    int                 // counts listings
	counts  counts
	wake    func() // called after each take-over
}

// Counts are what an [Intake] has done since it was made: looks, and files taken,
// by what brought the look about. Files that only looks at intervals find mean
// that the folder tells of no events, as network mounts do.
type Counts struct {
	Events, Rescans   int64 // looks
	ByEvent, ByRescan int64 // files taken
}

type counts struct{ events, rescans, byEvent, byRescan atomic.Int64 }

// Counts may be called while Run is at work.
func (i *Intake) Counts() Counts {
	c := &i.counts
	return Counts{c.events.Load(), c.rescans.Load(), c.byEvent.Load(), c.byRescan.Load()}
}

// count adds a look.
func (c *counts) count(event bool, taken int) {
	looks, files := &c.rescans, &c.byRescan
	if event {
		looks, files = &c.events, &c.byEvent
	}
	looks.Add(1)
	files.Add(int64(taken))
}

// New prepares the intake of one outbox, whose folder it makes (mode 0700) if
// there is none; one that vanishes later is a fault. The log gets a line for each
// delivery and for what an operator must see to; it holds no content. If the
// outbox makes no sense, the error wraps [ErrOutbox].
func New(o Outbox, spool Spool, ledger Ledger, log zerolog.Logger) (*Intake, error) {
	switch {
	case o.Name == "" || o.Path == "" || o.Quarantine == "":
		return nil, fmt.Errorf("%w: %q lacks its name, path or quarantine", ErrOutbox, o.Name)
	case filepath.Clean(o.Path) == filepath.Clean(o.Quarantine):
		return nil, fmt.Errorf("%w: %s is its own quarantine", ErrOutbox, o.Name)
	}
	if err := os.MkdirAll(o.Path, 0o700); err != nil {
		return nil, fmt.Errorf("outbox %s: %w", o.Name, err)
	}
	if o.Right == nil {
		o.Right = func() error { return nil }
	}
	if o.Looks < 1 {
		o.Looks = 3
	}
	if o.Every <= 0 {
		o.Every = 2 * time.Second
	}
	return &Intake{
		box: o, spool: spool, ledger: ledger, log: log.With().Str("outbox", o.Name).Logger(),
		disk: system{}, now: time.Now, wake: func() {}, quiet: o.Polled,
		seen: map[string]*entry{}, temps: map[uint64]unready{}, strange: map[string]string{}, cleared: map[int64]time.Time{},
	}, nil
}

// Name is that of the outbox.
func (i *Intake) Name() string { return i.box.Name }

// Every is the pause between two looks.
func (i *Intake) Every() time.Duration { return i.box.Every }

// patience is by how much longer a file must be quiet that does not end in UNZ.
const patience = 10

// temporary reports whether name is one that its writer has not finished with.
func (i *Intake) temporary(name string) bool {
	for _, s := range i.box.Ignore {
		if s != "" && strings.HasSuffix(name, s) {
			return true
		}
	}
	return false
}

// marker reports whether name is the marker of another file.
func (i *Intake) marker(name string) bool {
	return i.box.Marker != "" && len(name) > len(i.box.Marker) && strings.HasSuffix(name, i.box.Marker)
}

// note tells the operator of an entry that is no delivery. Its name stays out of
// the log: hospital systems put names of patients there.
func (i *Intake) note(text string) {
	i.log.Warn().Msg(text)
}
