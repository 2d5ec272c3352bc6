package exchange

import (
	"slices"
	"time"
)

// An AnswerRule says what we expect of a partner after a delivery. Whether an
// Annahmestelle answers positively is agreed with it; no standard says so.
type AnswerRule string

// The rules.
const (
	AnswersNever      AnswerRule = "never"       // nothing ever comes: uncontested at once
	AnswersErrorsOnly AnswerRule = "errors-only" // silence for the period means uncontested
	AnswersAlways     AnswerRule = "always"      // silence for the period means overdue
)

// A Partner is one directly connected exchange partner, as the admin's row says.
type Partner struct {
	Name         string
	IK           string // its own IK: default for send-to, and ABSENDER_PHYSIKALISCH of what it sends
	Answers      AnswerRule
	AnswerPeriod time.Duration // after the delivery
	FirstNumber  int           // first transfer number when there is no history, 0 to 999
	UniqueTime   bool          // creation-time: unique (one delivery a second) instead of shared
	Order        Sequence
	OrderWait    time.Duration // strict: how long a gap holds its pair; 0: two hours, or half of what is left of the window
	OrderStop    bool          // strict: after that time an operator must decide; else the gap is recorded and passed over
	NoRepeats    time.Duration // sending: the same content or UNB reference is held if it was sent within this time; 0: not asked
	Positive     bool          // receiving: answer good files too
	PositiveCode string        // FHL.4 of such an answer
	WhenVanished Vanished
	OnFindings   [5]OnFindings // sending: by stage of our own check, 2 to 4; stage 1 always holds the file
	Reject       [5]Reject     // receiving: by stage of our own check, 1 to 4
	Gzip         bool          // compression 02 was agreed, both ways
	MaxSize      int64         // receiving: bytes of an opened file; 0: no limit
}

// Sequence says what UNB 0020 means for what is sent to a partner, for each sender,
// recipient and mode. That receivers want the sequence kept is known, how strictly
// is not; the default is ours.
type Sequence string

// The choices.
const (
	OrderStrict Sequence = "strict" // a delivery waits for its predecessor
	OrderWarn   Sequence = "warn"   // it does not, and the history says so
	OrderOff    Sequence = "off"    // nobody looks
)

// OnFindings says what becomes of a file of ours that our own check finds wrong.
type OnFindings string

// The choices.
const (
	NotAsked      OnFindings = ""          // stage 4 when sending: it is not checked
	FindingsSend  OnFindings = "send"      // it is sent; what was found is kept as warnings
	FindingsHold  OnFindings = "hold-file" // it stays here, rejected by our own check
	FindingsSplit OnFindings = "split"     // its good messages are sent, by agreement with the partner
)

// Reject says what an error in a file from a partner refuses.
type Reject string

// The choices. A fault of the envelope refuses the file in any case.
const (
	RejectFile    Reject = "file"
	RejectMessage Reject = "message"
	RejectNothing Reject = "nothing" // what was found is kept as warnings
)

// Vanished says what to do when an attempt was cut while publishing and neither
// the temporary nor the final name is there any more.
type Vanished string

// The choices.
const (
	VanishedOperator Vanished = "operator"         // hold; an operator asks the partner
	VanishedResend   Vanished = "resend-same-name" // same bytes, name, number and creation time: the repetition that KKS knows
)

// A Mandate is one exception to the rule that account, physical sender, owner,
// signer and UNB sender are the same IK: who speaks for whom, and how long.
// Empty lists add nothing.
type Mandate struct {
	Account     string // outbox or partner
	Owner       string // ABSENDER_EIGNER that this exception is about
	Physical    []string
	Signers     []string // IKs in the signer's certificate
	UNBSenders  []string
	FKTSenders  []string
	From, Until time.Time // zero = open
}

// Valid reports whether the exception is in force at t. Until is exclusive.
func (m *Mandate) Valid(t time.Time) bool {
	return (m.From.IsZero() || !t.Before(m.From)) && (m.Until.IsZero() || t.Before(m.Until))
}

// A Speaker is what a file shows about who sent it. Empty fields are not yet known.
type Speaker struct {
	Account    string
	AccountIK  string // the IK that stands for the account itself: equality is judged against it
	Physical   string
	Owner      string
	Signers    []string // one of them must be entitled
	UNBSender  string
	FKTSenders []string // each of them must be entitled
}

// Entitled judges s by the rule of equality and the exceptions in force at t.
// It returns the part that is not entitled ("" when all is well), worded for
// the operator.
func Entitled(s Speaker, exceptions []Mandate, t time.Time) string {
	allowed := func(pick func(*Mandate) []string, values ...string) bool {
		for _, v := range values {
			if v == "" || v == s.Owner {
				return true
			}
		}
		for i := range exceptions {
			m := &exceptions[i]
			if m.Account != s.Account || m.Owner != s.Owner || !m.Valid(t) {
				continue
			}
			for _, v := range values {
				if slices.Contains(pick(m), v) {
					return true
				}
			}
		}
		return false
	}
	owned := s.Owner == s.AccountIK
	for i := range exceptions {
		m := &exceptions[i]
		owned = owned || m.Account == s.Account && m.Owner == s.Owner && m.Valid(t)
	}
	if !owned {
		return "owner " + s.Owner + " is not entitled at account " + s.Account
	}
	if s.Physical != s.AccountIK && !allowed(func(m *Mandate) []string { return m.Physical }, s.Physical) {
		return "physical sender " + s.Physical + " is not entitled for owner " + s.Owner
	}
	if len(s.Signers) > 0 && !allowed(func(m *Mandate) []string { return m.Signers }, s.Signers...) {
		return "signer not entitled: " + s.Signers[0] + " for owner " + s.Owner
	}
	if !allowed(func(m *Mandate) []string { return m.UNBSenders }, s.UNBSender) {
		return "UNB sender " + s.UNBSender + " is not entitled for owner " + s.Owner
	}
	for _, f := range s.FKTSenders {
		if !allowed(func(m *Mandate) []string { return m.FKTSenders }, f) {
			return "FKT sender " + f + " is not entitled for owner " + s.Owner
		}
	}
	return ""
}
