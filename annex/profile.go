package annex

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"gateway301/edifact"
)

//go:embed data/answer-*.yaml
var answerProfiles embed.FS

// ErrProfile is wrapped by errors about an answer profile.
var ErrProfile = errors.New("answer profile")

// A Profile says what an answer of ours looks like where no public source does.
// The data file of each explains its choices.
type Profile struct {
	Name          string   `yaml:"name"`
	Message       []string `yaml:"message"` // UNH S009: type, version, release, agency
	FileVKZ       string   `yaml:"file-vkz"`
	FileNumber    string   `yaml:"file-number"`
	FHLPerMessage int      `yaml:"fhl-per-message"` // 1 to [MaxFHL]
	CodeLength    int      `yaml:"code-length"`     // of FHL.4, in characters
	TextLength    int      `yaml:"text-length"`     // of FHL.5, in characters
	ReferenceWord string   `yaml:"reference-word"`
	PositiveText  string   `yaml:"positive-text"`
	// Codes maps codes of ours to what a partner wants in FHL.4. What is not mapped
	// goes out as it is, FHL.5 with its text.
	Codes map[string]string `yaml:"codes"`

	charset edifact.Charset // 0: I1
}

// AnswerProfile gives the profile of that name, such as "gateway301". The error
// wraps [ErrProfile] and names those that there are.
func AnswerProfile(name string) (Profile, error) {
	b, err := answerProfiles.ReadFile("data/answer-" + name + ".yaml")
	if err != nil {
		names, _ := fs.Glob(answerProfiles, "data/answer-*.yaml")
		for i, n := range names {
			names[i] = strings.TrimSuffix(strings.TrimPrefix(n, "data/answer-"), ".yaml")
		}
		return Profile{}, fmt.Errorf("%w %q is not known; known: %s", ErrProfile, name, strings.Join(names, ", "))
	}
	return parseProfile(b)
}

// parseProfile reads a profile and refuses one that could not be written by.
func parseProfile(b []byte) (Profile, error) {
	var p Profile
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(&p); err != nil {
		return Profile{}, fmt.Errorf("%w: %w", ErrProfile, err)
	}
	for _, rule := range []struct {
		broken bool
		text   string
	}{
		{p.Name == "", "name is empty"},
		{len(p.Message) < 2 || len(p.Message[0]) != 4, "message must be type, version, release, agency"},
		{len(p.FileVKZ) != 2 || len(p.FileNumber) != 2, "file-vkz and file-number must have two characters"},
		{p.FHLPerMessage < 1 || p.FHLPerMessage > MaxFHL, fmt.Sprintf("fhl-per-message must be from 1 to %d", MaxFHL)},
		{p.CodeLength < 1 || p.TextLength < 1, "code-length and text-length must be positive"},
		{p.ReferenceWord == "", "reference-word is empty"},
	} {
		if rule.broken {
			return Profile{}, fmt.Errorf("%w %q: %s", ErrProfile, p.Name, rule.text)
		}
	}
	return p, nil
}

// WithCodes is the profile with the table of a partner.
func (p Profile) WithCodes(codes map[string]string) Profile {
	p.Codes = codes
	return p
}

// WithCharset is the profile for a partner that reads another character set than
// I1. What it does not hold stands as ".". The error wraps [ErrProfile] for a set
// in which no EDIFACT is written.
func (p Profile) WithCharset(z Zeichensatz) (Profile, error) {
	c, ok := edifact.ParseCharset(string(z))
	if !ok {
		return p, fmt.Errorf("%w: no answers are written in character set %q", ErrProfile, z)
	}
	p.charset = c
	return p, nil
}

// text is a value in the character set of the answer.
func (p Profile) text(s string) string {
	s = printable(s)
	if p.charset == 0 || p.charset == edifact.I1 || p.charset == edifact.U8 {
		return s
	}
	return strings.Map(func(r rune) rune {
		if _, err := p.charset.Encode(string(r)); err != nil {
			return '.'
		}
		return r
	}, s)
}

// code is what goes into FHL.4.
func (p Profile) code(code string) string {
	if theirs, ok := p.Codes[code]; ok {
		return theirs
	}
	return code
}

// Envelope is the envelope of an answer to a file: its parties swapped, its
// Anwendungsreferenz repeated. reference is UNB 0020 of the answer, 1 to 99999;
// at is its time of creation, in the location that counts at home.
func (p Profile) Envelope(original Envelope, reference int, at time.Time) Envelope {
	return Envelope{
		Syntax: "UNOC:3", Sender: original.Recipient, Recipient: original.Sender,
		Date: at.Format("060102"), Time: at.Format("1504"),
		Reference: fmt.Sprintf("%05d", reference), ApplicationRef: original.ApplicationRef,
	}
}

// Answer is what a report makes us say: one FEHL message per refused message, in
// order; one for the file where it is rejected as a whole; nothing when it is accepted.
func (p Profile) Answer(r *Report) []FEHLMessage {
	switch {
	case r.Verdict == Accepted:
		return nil
	case len(r.Refused) == 0:
		return []FEHLMessage{p.aboutFile(r, p.fileFaults(r))}
	}
	answers := make([]FEHLMessage, len(r.Refused))
	for i, m := range r.Refused {
		f := m.FKT
		f.Sender, f.Recipient = f.Recipient, f.Sender
		answers[i].FKT = f
		for _, fault := range m.Faults {
			fault.Text = p.about(m.Reference, fault.Text)
			answers[i].FHL = append(answers[i].FHL, fault)
		}
	}
	return answers
}

// Positive is the confirmation of a file, with the code that the partner's row says.
func (p Profile) Positive(r *Report, code string) FEHLMessage {
	return p.aboutFile(r, []FHL{{Code: code, Text: p.PositiveText}})
}

// aboutFile is a message about the file as a whole.
func (p Profile) aboutFile(r *Report, faults []FHL) FEHLMessage {
	return FEHLMessage{
		FKT: Geschaeftsvorfall{p.FileVKZ, p.FileNumber, r.Envelope.Recipient, r.Envelope.Sender},
		FHL: faults,
	}
}

// Our own numbers for refusals for which no official one is known and that no rule
// makes.
const (
	CodeNotEntitled = "G0-001" // sender or signer may not speak for the owner
	CodeWholeFile   = "G0-002" // a file is refused as a whole for faults in some of its messages
)

// fileFaults are the first faults of a file that is refused as a whole: those of
// stage 1, without a segment, since FHL.1 to 3 count inside a message and here there
// is none; else those of the messages, with their places, and that they count for all.
func (p Profile) fileFaults(r *Report) []FHL {
	var faults, inside []FHL
	for _, f := range r.Findings {
		if f.Severity != Error || len(faults) == p.FHLPerMessage {
			continue
		}
		text := f.Text
		if f.Message > 0 {
			text = p.about(f.Reference, text)
		}
		if f.Stage == 1 {
			faults = append(faults, FHL{Code: f.Code, Text: text})
		} else if len(inside) < p.FHLPerMessage-1 {
			inside = append(inside, FHL{Segment: f.Segment, Position: f.Position, Element: f.Element, Code: f.Code, Text: text})
		}
	}
	if len(faults) > 0 {
		return faults
	}
	return append([]FHL{{Code: CodeWholeFile, Text: "Datei als Ganzes abgewiesen"}}, inside...)
}

// about puts the UNH reference before a text.
func (p Profile) about(reference, text string) string {
	return p.ReferenceWord + " " + reference + " " + text
}
