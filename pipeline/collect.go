package pipeline

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"gateway301/annex"
	"gateway301/channels"
	"gateway301/exchange"
)

// A sighting is a file at the partner that is not complete yet.
type sighting struct {
	size     int64
	modified time.Time
	since    time.Time // seen like this since
}

// steady is how long a file that is no pair must stay unchanged before it is fetched.
const steady = 2 * time.Second

// clockDifference is more than any two clocks differ.
const clockDifference = 24 * time.Hour

// collecting polls one partner until ctx ends.
func (p *Pipeline) collecting(ctx context.Context, l *lane) error {
	for !p.stopped() {
		pause := l.CollectEvery
		if l.Collect.Open(p.Now(), p.Location) {
			pending := false
			_, err := p.inTurn(ctx, collectTurn(l.Name), func(ctx context.Context) (got int, err error) {
				got, pending, err = p.collect(ctx, l)
				return got, err
			})
			if err != nil && ctx.Err() == nil {
				p.Log.Error().Str(logPartner, l.Name).Str(logReason, localFault(err)).Msg("collecting: local fault, trying again")
			}
			if pending {
				pause = min(pause, steady)
			}
		}
		if err := p.sleep(ctx, pause); err != nil {
			return err
		}
	}
	return nil
}

// collectSettled collects once, and again while files there are still settling.
func (p *Pipeline) collectSettled(ctx context.Context, l *lane) (int, error) {
	if !l.Collect.Open(p.Now(), p.Location) {
		return 0, nil
	}
	return p.inTurn(ctx, collectTurn(l.Name), func(ctx context.Context) (int, error) {
		got, pending, err := p.collect(ctx, l)
		if err == nil && pending {
			if err = p.sleep(ctx, steady); err == nil {
				var more int
				more, _, err = p.collect(ctx, l)
				got += more
			}
		}
		return got, err
	})
}

// collect looks at the partner's folder once and takes over what is complete.
// Pending tells that another look soon is worth it. An error is a fault of our
// own side; the partner's faults are logged and tried again later.
func (p *Pipeline) collect(ctx context.Context, l *lane) (got int, pending bool, err error) {
	if stopped, err := p.partnerStopped(ctx, l); stopped || err != nil {
		return 0, false, err
	}
	files, refused, err := l.Channel.List(ctx, channels.Incoming)
	if err != nil {
		return 0, false, p.collectFault(ctx, l, theirs{err})
	}
	for _, r := range refused {
		p.Log.Warn().Str(logPartner, l.Name).Int("length", len(r.Name)).Msg("a file with an unusable name was left in place at the partner")
	}
	c := collector{p: p, lane: l, now: p.Now()}
	if err := c.forgetGone(ctx, files); err != nil {
		return 0, false, err
	}
	if err := c.remember(ctx); err != nil {
		return 0, false, err
	}
	defer func() {
		if err == nil && c.got > 0 {
			err = c.removeTaken(ctx)
		}
	}()
	for _, f := range files {
		if ctx.Err() != nil || p.stopped() {
			return c.got, c.pending, ctx.Err()
		}
		err := c.consider(ctx, f)
		if err == nil {
			continue
		}
		if fault := p.collectFault(ctx, l, err); fault != nil || !oneFile(err) {
			return c.got, c.pending, fault
		}
	}
	c.forgetSightings()
	return c.got, c.pending, nil
}

// lookEvery is how often successful looks are recorded: nobody asks more closely.
const lookEvery = time.Minute

// remember records that the partner was asked with success, so that silence is
// told from nothing to fetch.
func (c *collector) remember(ctx context.Context) error {
	if c.now.Sub(c.lane.looked) < lookEvery {
		return nil
	}
	if err := c.p.Ledger.Collected(ctx, c.lane.Name, c.now); err != nil {
		return err
	}
	c.lane.looked = c.now
	return nil
}

// theirs marks an error of the partner or of the line to it, whatever it is: one
// partner's fault must not end a run that serves the others too.
type theirs struct{ error }

func (t theirs) Unwrap() error { return t.error }

// collectFault sorts an error: the partner's are dealt with here.
func (p *Pipeline) collectFault(ctx context.Context, l *lane, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, channels.ErrLogin), errors.Is(err, channels.ErrHostKey):
		return p.stop(ctx, l, err)
	}
	if _, ok := errors.AsType[theirs](err); ok {
		p.Log.Warn().Str(logPartner, l.Name).Str(logReason, whatFailed(err)).Msg("collecting failed, trying again later")
		return nil
	}
	return err
}

// oneFile reports whether a partner's fault is about one file: the others behind
// it must not wait for it.
func oneFile(err error) bool {
	for _, all := range []error{channels.ErrLine, channels.ErrLogin, channels.ErrHostKey, channels.ErrClosed, context.Canceled} {
		if errors.Is(err, all) {
			return false
		}
	}
	return true
}

// A collector is one look at a partner's folder.
type collector struct {
	p       *Pipeline
	lane    *lane
	now     time.Time
	files   map[string]channels.Entry // what stands there and is not taken
	orders  map[string]bool           // transfer names whose Auftragsdatei stands there
	got     int
	pending bool
}

// forgetGone removes what is stored here but still stands there unchanged, takes
// it off the list, and drops the memory of what is gone.
func (c *collector) forgetGone(ctx context.Context, listed []channels.Entry) error {
	c.files, c.orders = map[string]channels.Entry{}, map[string]bool{}
	for _, f := range listed {
		c.files[f.Name] = f
		if _, _, auf, ok := annex.ParseTransferName(f.Name); ok && auf {
			c.orders[stem(f.Name)] = true
		}
	}
	fetched, err := c.p.Ledger.FetchedFrom(ctx, c.lane.Name)
	if err != nil {
		return err
	}
	for _, f := range fetched {
		there, ok := c.files[f.Name]
		if ok && there.Size == f.Size && there.ModTime.Equal(f.Modified) {
			delete(c.files, f.Name)
			if err := c.remove(ctx, f); err != nil {
				return err
			}
			continue
		}
		if err := c.p.Ledger.Forget(ctx, c.lane.Name, f); err != nil {
			return err
		}
	}
	return nil
}

// removeTaken removes the originals of what was taken, by a listing of their own:
// one that was replaced meanwhile stays, as a new file.
func (c *collector) removeTaken(ctx context.Context) error {
	files, _, err := c.lane.Channel.List(ctx, channels.Incoming)
	if err != nil {
		return c.p.collectFault(ctx, c.lane, theirs{err})
	}
	return c.forgetGone(ctx, files)
}

// remove removes an original. A refusal is no reason to fetch it again.
func (c *collector) remove(ctx context.Context, f exchange.Fetched) error {
	if err := c.lane.Channel.Remove(ctx, channels.Incoming, f.Name); err != nil {
		c.p.Log.Warn().Int64(logDelivery, f.Delivery).Str(logPartner, c.lane.Name).Str(logReason, aboutFile(f.Name, err)).Msg("original not removed at the partner")
		return nil
	}
	return c.p.Ledger.Forget(ctx, c.lane.Name, f)
}

// whatFailed names the kind of a partner's fault, without names that the partner
// chose freely.
func whatFailed(err error) string {
	for _, kind := range []error{channels.ErrLine, channels.ErrRefused, channels.ErrSize, channels.ErrTooMany, fs.ErrNotExist} {
		if errors.Is(err, kind) {
			return kind.Error()
		}
	}
	return "the partner's server did not hand it out"
}

// aboutFile words an error about a file at the partner. A name that the partner
// chose freely stays out of the log, and with it the error's text.
func aboutFile(name string, err error) string {
	if _, _, _, ok := annex.ParseTransferName(name); ok {
		return err.Error()
	}
	return "the partner's server did not remove it"
}

// consider decides what a file is and takes it over if it is complete.
func (c *collector) consider(ctx context.Context, f channels.Entry) error {
	if _, ok := c.files[f.Name]; !ok { // fetched before, or with its other half
		return nil
	}
	_, _, auf, ok := annex.ParseTransferName(f.Name)
	switch {
	case strings.HasPrefix(f.Name, ".") || strings.HasSuffix(f.Name, ".tmp") || strings.HasSuffix(f.Name, ".part") || strings.HasSuffix(f.Name, ".filepart"):
		return nil // still on its way
	case ok && auf:
		return c.order(ctx, f)
	case ok:
		if c.orders[f.Name] {
			return nil // taken with its Auftragsdatei
		}
		if !c.unchangedFor(f, c.lane.IncompleteAfter) {
			return nil
		}
		return c.takeAlone(ctx, f, exchange.Incomplete, "payload without Auftragsdatei")
	}
	if !c.unchangedFor(f, steady) {
		return nil
	}
	return c.takeAlone(ctx, f, exchange.Unrecognised, "neither payload nor Auftragsdatei")
}

// stem is an Auftragsdatei's name without its suffix, whose case servers change.
func stem(name string) string { return name[:len(name)-len(annex.AUFSuffix)] }

// order takes an Auftragsdatei with its payload; alone, if it came back with an
// error number or has waited too long.
func (c *collector) order(ctx context.Context, f channels.Entry) error {
	var raw bytes.Buffer
	if f.Size > annex.AuftragsdateiSize {
		return c.takeAlone(ctx, f, exchange.BadOrder, fmt.Sprintf("Auftragsdatei of %d bytes instead of 348", f.Size))
	}
	if f.Size < annex.AuftragsdateiSize {
		if !c.unchangedFor(f, c.lane.IncompleteAfter) {
			return nil
		}
		return c.takeAlone(ctx, f, exchange.BadOrder, fmt.Sprintf("Auftragsdatei of %d bytes instead of 348", f.Size))
	}
	if err := c.get(ctx, f, &raw); err != nil {
		return err
	}
	auf, _, err := annex.ParseAuftragsdatei(raw.Bytes())
	if err != nil {
		return c.takeAlone(ctx, f, exchange.BadOrder, "Auftragsdatei cannot be read: "+firstLine(err))
	}
	payload, pair := c.files[stem(f.Name)]
	switch {
	case pair && payload.Size == auf.GroesseUebertragung:
		return c.takePair(ctx, f, raw.Bytes(), auf, payload)
	case auf.Returned() && !pair:
		return c.takeOrder(ctx, f, raw.Bytes(), auf, exchange.NoCause, "Auftragsdatei sent back with an error number")
	case !c.unchangedFor(f, c.lane.IncompleteAfter):
		return nil
	case pair:
		return c.takePair(ctx, f, raw.Bytes(), auf, payload) // opening will name the disagreement
	}
	return c.takeOrder(ctx, f, raw.Bytes(), auf, exchange.Incomplete, "Auftragsdatei without payload")
}

// unchangedFor reports whether a file has been seen unchanged for at least d, or
// is so old that no difference between clocks explains it: a gateway that is
// started once a night remembers no sightings.
func (c *collector) unchangedFor(f channels.Entry, d time.Duration) bool {
	s, ok := c.lane.firstSeen[f.Name]
	if !ok || s.size != f.Size || !s.modified.Equal(f.ModTime) {
		s = sighting{f.Size, f.ModTime, c.now}
		c.lane.firstSeen[f.Name] = s
	}
	if c.now.Sub(s.since) >= d || c.now.Sub(f.ModTime) >= d+clockDifference {
		return true
	}
	c.pending = c.pending || d <= steady
	return false
}

func (c *collector) forgetSightings() {
	for name := range c.lane.firstSeen {
		if _, ok := c.files[name]; !ok {
			delete(c.lane.firstSeen, name)
		}
	}
}

// takePair stores payload and Auftragsdatei, then the row, then removes the originals.
func (c *collector) takePair(ctx context.Context, f channels.Entry, raw []byte, auf annex.Auftragsdatei, payload channels.Entry) error {
	d := c.fromOrder(exchange.Pair, f, auf)
	d.Name = payload.Name
	stored := exchange.Fetched{Name: payload.Name, Size: payload.Size, Modified: payload.ModTime}
	size, sha, err := c.fetch(ctx, d.Intake, partSealed, payload)
	if err != nil {
		return err
	}
	d.Size, d.SHA256, stored.SHA256 = size, sha, sha
	order := exchange.Fetched{Name: f.Name, Size: f.Size, Modified: f.ModTime}
	if _, order.SHA256, err = c.p.Spool.Put(ctx, d.Intake, partOrder, bytes.NewReader(raw)); err != nil {
		return err
	}
	return c.take(ctx, d, "payload and Auftragsdatei from "+c.lane.Name, order, stored)
}

func (c *collector) takeOrder(ctx context.Context, f channels.Entry, raw []byte, auf annex.Auftragsdatei, cause exchange.Cause, text string) error {
	d := c.fromOrder(exchange.Order, f, auf)
	d.Name, d.Cause, d.Reason = f.Name, cause, text
	var err error
	if d.Size, d.SHA256, err = c.p.Spool.Put(ctx, d.Intake, partOrder, bytes.NewReader(raw)); err != nil {
		return err
	}
	return c.take(ctx, d, text, exchange.Fetched{Name: f.Name, Size: f.Size, Modified: f.ModTime, SHA256: d.SHA256})
}

// takeAlone stores a file that is no pair, to be kept and shown.
func (c *collector) takeAlone(ctx context.Context, f channels.Entry, cause exchange.Cause, text string) error {
	d := c.row(exchange.Other)
	d.Name, d.Cause, d.Reason = f.Name, cause, text
	var err error
	if d.Size, d.SHA256, err = c.fetch(ctx, d.Intake, partSealed, f); err != nil {
		return err
	}
	return c.take(ctx, d, text, exchange.Fetched{Name: f.Name, Size: f.Size, Modified: f.ModTime, SHA256: d.SHA256})
}

func (c *collector) fetch(ctx context.Context, token, part string, f channels.Entry) (int64, string, error) {
	size, sha, err := c.p.Spool.Write(token, part, func(w io.Writer) error {
		return c.get(ctx, f, w)
	})
	if err != nil {
		err = errors.Join(err, c.p.Spool.Remove(token))
	}
	return size, sha, err
}

func (c *collector) get(ctx context.Context, f channels.Entry, w io.Writer) error {
	_, err := c.lane.Channel.Get(ctx, channels.Incoming, f.Name, w)
	if err == nil || errors.Is(err, channels.ErrLocal) {
		return err
	}
	return theirs{err}
}

func (c *collector) row(kind exchange.Kind) exchange.Delivery {
	now := c.p.Now()
	return exchange.Delivery{Intake: token(now), Direction: exchange.In, Kind: kind, Account: c.lane.Name, Partner: c.lane.Name,
		TakenAt: now, ReceivedAt: now, Due: now}
}

func (c *collector) fromOrder(kind exchange.Kind, f channels.Entry, auf annex.Auftragsdatei) exchange.Delivery {
	d := c.row(kind)
	d.Mode = exchange.Test
	if strings.HasPrefix(auf.Verfahren, "E") {
		d.Mode = exchange.Production
	}
	d.Owner, d.Physical = auf.AbsenderEigner, auf.AbsenderPhysikalisch
	d.EncryptTo, d.SendTo = auf.EmpfaengerNutzer, auf.EmpfaengerPhysikalisch
	d.Created = auf.DatumErstellung
	d.Envelope.ApplicationRef = auf.Dateiname
	d.TransferName = stem(f.Name)
	d.TransferNumber = auf.TransferNummer
	return d
}

// take records the row; both halves leave the list. The originals are removed once
// all is taken.
func (c *collector) take(ctx context.Context, d exchange.Delivery, text string, originals ...exchange.Fetched) error {
	d, err := c.p.Ledger.TakeFetched(ctx, c.p.turn(collectTurn(c.lane.Name)), d, text, originals)
	if err != nil {
		return err
	}
	c.p.moved(exchange.Move{By: exchange.Arrived, Cause: d.Cause, Text: text}, d)
	c.got++
	c.p.wake()
	for _, f := range originals {
		delete(c.files, f.Name)
	}
	return nil
}

// token makes a fresh intake identity.
func token(now time.Time) string {
	var b [6]byte
	rand.Read(b[:])
	return now.UTC().Format("20060102T150405") + "-" + hex.EncodeToString(b[:])
}

// firstLine keeps a message with several lines to one.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
