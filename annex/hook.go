package annex

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"time"

	"gateway301/edifact"
)

// A FileCheck is a check that keeps something between the segments of a message.
// Check calls ForFile once for each file and uses what it gives, so that a
// FileCheck can be shared by many.
type FileCheck interface {
	MessageCheck
	ForFile(ctx context.Context) MessageCheck
}

// A MessageEnder is a [MessageCheck] that has its say at the end of a message. An
// error means that the message was not checked: it is never taken for good.
type MessageEnder interface {
	EndOfMessage(m MessageInfo) ([]Finding, error)
}

// What becomes of a hook that does not do its work.
var (
	ErrHook       = errors.New("external check did not do its work")
	ErrHookOutput = errors.New("output is no list of findings")
	ErrHookSize   = errors.New("message is too long for the external check")
)

// A Hook is a payer's own check as a program, stage 4. For each message it is run
// once, without a shell and with an empty environment: the message stands on its
// standard input, UNH and UNT left out, and it prints one JSON object a line for
// each finding:
//
//	{"code":"K-17","severity":"error","segment":"INV","position":1,"element":1,"text":"Fall geschlossen"}
//
// Exit code 0 says that it has checked. Anything else, an output that is too long or
// none of this form, or no end in time: the message is not checked by stage 4.
// Codes are up to ten characters; texts must not hold values of the message.
type Hook struct {
	Path      string        // of the program, absolute
	Args      []string      // as they are, without the name
	Timeout   time.Duration // for one message; 10 s if 0
	MaxInput  int           // bytes of a message; 4 MiB if 0
	MaxOutput int           // bytes; 64 KiB if 0
}

// Segment does nothing: the work is done by what ForFile gives.
func (h Hook) Segment(MessageInfo, edifact.Segment) []Finding { return nil }

// ForFile gives the check of one file.
func (h Hook) ForFile(ctx context.Context) MessageCheck {
	if h.Timeout <= 0 {
		h.Timeout = 10 * time.Second
	}
	if h.MaxInput <= 0 {
		h.MaxInput = 4 << 20
	}
	if h.MaxOutput <= 0 {
		h.MaxOutput = 64 << 10
	}
	return &hookRun{Hook: h, run: func(in io.Reader, out io.Writer) error {
		return h.start(ctx, in, out)
	}}
}

// start runs the program once.
func (h Hook) start(ctx context.Context, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, h.Timeout)
	defer cancel()
	c := exec.CommandContext(ctx, h.Path, h.Args...)
	c.Env = []string{}
	c.Dir = "/"
	c.Stdin, c.Stdout = in, out
	c.WaitDelay = time.Second // what it has started must not hold the pipes open
	return c.Run()
}

// A hookRun gathers one message after the other.
type hookRun struct {
	Hook
	run     func(in io.Reader, out io.Writer) error
	message bytes.Buffer
	places  []place
	long    bool
}

type place struct {
	tag            string
	offset, number int64
}

// Segment takes the segment down. FKT of the first Geschäftsvorfall begins anew.
func (r *hookRun) Segment(_ MessageInfo, s edifact.Segment) []Finding {
	if r.message.Len()+len(s.Raw()) > r.MaxInput {
		r.long = true
		return nil
	}
	r.message.Write(s.Raw())
	r.places = append(r.places, place{s.Tag(), s.Offset(), s.Number()})
	return nil
}

// EndOfMessage runs the program.
func (r *hookRun) EndOfMessage(MessageInfo) ([]Finding, error) {
	defer func() {
		r.message.Reset()
		r.places, r.long = r.places[:0], false
	}()
	if r.long {
		return nil, errors.Join(ErrHook, ErrHookSize)
	}
	out := limited{left: r.MaxOutput}
	if err := r.run(&r.message, &out); err != nil {
		return nil, errors.Join(ErrHook, err)
	}
	return r.parse(&out.Buffer)
}

// A hookLine is what the program prints for a finding.
type hookLine struct {
	Code      string `json:"code"`
	Severity  string `json:"severity"`
	Segment   string `json:"segment"`
	Position  int    `json:"position"`
	Element   int    `json:"element"`
	Component int    `json:"component"`
	Text      string `json:"text"`
	TextEN    string `json:"text_en"`
}

func (r *hookRun) parse(out io.Reader) ([]Finding, error) {
	d := json.NewDecoder(out)
	d.DisallowUnknownFields()
	var found []Finding
	for {
		l := hookLine{Severity: string(Error)}
		err := d.Decode(&l)
		if err == io.EOF {
			return found, nil
		}
		severity := Severity(l.Severity)
		if err != nil || l.Code == "" || len(l.Code) > 10 || severity != Error && severity != Warning || l.Element < 0 || l.Component < 0 {
			return nil, errors.Join(ErrHook, ErrHookOutput)
		}
		f := Finding{Stage: 4, Code: printable(l.Code), Severity: severity, Segment: l.Segment, Position: l.Position, Element: l.Element, Component: l.Component,
			Text: cut(printable(l.Text), 256), TextEN: cut(printable(l.TextEN), 256), Basis: srcOwn}
		if f.TextEN == "" {
			f.TextEN = f.Text
		}
		r.locate(&f)
		found = append(found, f)
	}
}

// locate finds the segment that a finding names; the message's first one else.
func (r *hookRun) locate(f *Finding) {
	n := max(f.Position, 1)
	for _, p := range r.places {
		if p.tag == f.Segment {
			if n--; n == 0 {
				f.SegmentNumber, f.Offset = p.number, p.offset
				return
			}
		}
	}
	f.Segment, f.Position, f.Element, f.Component = "", 0, 0, 0
	if len(r.places) > 0 {
		f.SegmentNumber, f.Offset = r.places[0].number, r.places[0].offset
	}
}

// limited keeps what fits and refuses the rest.
type limited struct {
	bytes.Buffer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	if l.left -= len(p); l.left < 0 {
		return 0, ErrHookOutput
	}
	return l.Buffer.Write(p)
}

// ReadFrom would pass by Write.
func (l *limited) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{l}, r)
}

// String says which program it is.
func (h Hook) String() string { return strings.Join(append([]string{h.Path}, h.Args...), " ") }
