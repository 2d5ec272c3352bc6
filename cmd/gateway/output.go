package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"

	"gateway301/config"
	"gateway301/exchange"
)

// writeJSON prints one value as indented JSON.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// A grid is a plain table that fits the terminal: its last column is wrapped.
type grid struct {
	table table.Writer
	width int   // of the terminal; 0: none
	used  []int // longest cell of each column
}

func newTable(w io.Writer, head ...string) *grid {
	g := &grid{table: table.NewWriter()}
	g.table.SetOutputMirror(w)
	style := table.StyleLight
	style.Options.DrawBorder = false
	style.Options.SeparateColumns = false
	g.table.SetStyle(style)
	if f, ok := w.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil {
			g.width = width
		}
	}
	row := make([]any, len(head))
	for i, h := range head {
		row[i] = h
	}
	g.used = make([]int, len(head))
	g.measure(row)
	g.table.AppendHeader(row)
	return g
}

// AppendRow adds a row of as many cells as the head has.
func (g *grid) AppendRow(row []any) {
	g.measure(row)
	g.table.AppendRow(row)
}

func (g *grid) measure(row []any) {
	for i, cell := range row {
		g.used[i] = max(g.used[i], text.LongestLineLen(fmt.Sprint(cell)))
	}
}

// narrowest is what the last column keeps on any terminal.
const narrowest = 20

// Render writes the table.
func (g *grid) Render() {
	last := len(g.used) - 1
	if rest := g.width; rest > 0 {
		for _, used := range g.used[:last] {
			rest -= used + 2
		}
		g.table.SetColumnConfigs([]table.ColumnConfig{{Number: last + 1, WidthMax: max(narrowest, rest-3), WidthMaxEnforcer: text.WrapSoft}})
	}
	g.table.Render()
}

// A shown delivery is the stable JSON form of a row.
type shown struct {
	ID             int64     `json:"id"`
	Direction      string    `json:"direction"`
	Kind           string    `json:"kind"`
	State          string    `json:"state"`
	Class          string    `json:"class"`
	Cause          string    `json:"cause,omitempty"`
	Reason         string    `json:"reason,omitempty"`
	Stopped        string    `json:"partner_stopped,omitempty"` // why the partner is not called
	Due            time.Time `json:"due,omitzero"`
	Attempts       int       `json:"attempts"`
	Taken          time.Time `json:"taken"`
	Changed        time.Time `json:"changed"`
	Account        string    `json:"account,omitempty"`
	Name           string    `json:"name,omitempty"`
	Size           int64     `json:"size"`
	SHA256         string    `json:"sha256,omitempty"`
	Mode           string    `json:"mode,omitempty"`
	Sender         string    `json:"sender,omitempty"`
	Recipient      string    `json:"recipient,omitempty"`
	Reference      string    `json:"reference,omitempty"`
	ApplicationRef string    `json:"application_reference,omitempty"`
	Types          []string  `json:"types,omitempty"`
	Partner        string    `json:"partner,omitempty"`
	Owner          string    `json:"owner,omitempty"`
	EncryptTo      string    `json:"encrypt_to,omitempty"`
	SendTo         string    `json:"send_to,omitempty"`
	Transfer       string    `json:"transfer,omitempty"`
	Created        string    `json:"creation_time,omitempty"`
	Signer         string    `json:"signer,omitempty"`
	Delivered      time.Time `json:"delivered,omitzero"`
	AnswerBy       time.Time `json:"answer_by,omitzero"`
	Proof          string    `json:"proof,omitempty"`
	Answer         string    `json:"answer,omitempty"`
	Answers        int64     `json:"answers,omitempty"`
	Replaces       int64     `json:"replaces,omitempty"`
	Spool          string    `json:"spool"`
}

func show(d exchange.Delivery, stops map[string]exchange.Stop) shown {
	return shown{
		ID: d.ID, Direction: string(d.Direction), Kind: string(d.Kind), State: string(d.State), Class: string(d.State.Class()),
		Cause: string(d.Cause), Reason: d.Reason, Stopped: stops[d.Partner].Text, Due: d.Due, Attempts: d.Attempt, Taken: d.TakenAt, Changed: d.Changed,
		Account: d.Account, Name: d.Name, Size: d.Size, SHA256: d.SHA256, Mode: string(d.Mode),
		Sender: d.Envelope.Sender, Recipient: d.Envelope.Recipient, Reference: d.Envelope.Reference,
		ApplicationRef: d.Envelope.ApplicationRef, Types: d.Envelope.Types,
		Partner: d.Partner, Owner: d.Owner, EncryptTo: d.EncryptTo, SendTo: d.SendTo, Transfer: d.TransferName, Created: d.Created,
		Signer: d.Signer, Delivered: d.DeliveredAt, AnswerBy: d.AnswerBy, Proof: d.Proof, Answer: d.Answer,
		Answers: d.Answers, Replaces: d.Replaces, Spool: d.Intake,
	}
}

// shownFindings are the stable JSON form of what our own check found.
type shownFindings struct {
	Findings []shownFinding `json:"findings,omitempty"` // the first 1,000
	Errors   int            `json:"errors,omitempty"`   // in all
	Warnings int            `json:"warnings,omitempty"`
	LeftOut  []shownMessage `json:"left_out,omitempty"`
}

// A shownFinding is the form of gateway check, with both languages.
type shownFinding struct {
	Stage     int    `json:"stage"`
	Code      string `json:"code"`
	Official  bool   `json:"official"`
	Severity  string `json:"severity"`
	Message   int64  `json:"message"`
	Segment   int64  `json:"segment"` // running number in the file
	Tag       string `json:"tag"`
	Element   int    `json:"element"`
	Component int    `json:"component"`
	Offset    int64  `json:"offset"`
	Text      string `json:"text"`
	TextEN    string `json:"text_en"`
}

// A shownMessage is a message that went no further while others of its file did.
type shownMessage struct {
	Message   int64  `json:"message"`
	Reference string `json:"reference"`
	Type      string `json:"type"`
	VKZ       string `json:"vkz"`
	Number    string `json:"number"`
}

func showFindings(cfg *config.File, d exchange.Delivery) (shownFindings, error) {
	found, err := findings(cfg, d)
	out := shownFindings{Errors: found.Errors, Warnings: found.Warnings}
	for _, f := range found.List {
		out.Findings = append(out.Findings, shownFinding{f.Stage, f.Code, f.Official, string(f.Severity), f.Message, f.SegmentNumber, f.Segment,
			f.Element, f.Component, f.Offset, f.Text, f.TextEN})
	}
	for _, m := range found.LeftOut {
		out.LeftOut = append(out.LeftOut, shownMessage{m.Message, m.Reference, m.Type, m.FKT.VKZ, m.FKT.Number})
	}
	return out, err
}

// A shownEvent is the stable JSON form of a line of history.
type shownEvent struct {
	At      time.Time `json:"at"`
	What    string    `json:"what"`
	From    string    `json:"from,omitempty"`
	To      string    `json:"to"`
	Attempt int       `json:"attempt,omitempty"`
	Cause   string    `json:"cause,omitempty"`
	Text    string    `json:"text,omitempty"`
}

func showEvents(events []exchange.Event) []shownEvent {
	out := make([]shownEvent, len(events))
	for i, e := range events {
		out[i] = shownEvent{e.At, string(e.What), string(e.From), string(e.To), e.Attempt, string(e.Cause), e.Text}
	}
	return out
}

// moment writes a time in the gateway's zone, briefly.
func moment(t time.Time, zone *time.Location) string {
	if t.IsZero() {
		return ""
	}
	return t.In(zone).Format("2006-01-02 15:04:05")
}

// briefly writes a time for a list: day and minute.
func briefly(t time.Time, zone *time.Location) string {
	return t.In(zone).Format("01-02 15:04")
}

// printable drops what could steer a terminal from text that others wrote.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' || r == 0x7f {
			return '·'
		}
		return r
	}, s)
}
