package exchange

import (
	"errors"
	"time"
)

// What a ledger's callers decide on.
var (
	ErrNotFound  = errors.New("no such delivery")
	ErrMoved     = errors.New("the delivery is not in the state it was believed to be in")
	ErrExhausted = errors.New("transfer numbers exhausted")
)

// An Allotment says how a delivery gets its transfer name and creation time.
type Allotment struct {
	Verfahren string                  // VERFAHREN_KENNUNG, key of the creation time
	Name      func(number int) string // transfer name of a number, 0 to 999
	First     int                     // first number when there is no history
	Stands    func(name string) bool  // whether either file of that name stands at the partner
	// Stamp returns the creation time, or when to ask again.
	Stamp func(taken time.Time, last string) (stamp string, wait time.Time, err error)
}

// A WaitError says that no creation time is free before Until.
type WaitError struct{ Until time.Time }

func (e *WaitError) Error() string {
	return "no creation time free before " + e.Until.Format(time.TimeOnly)
}

// A Lease says which node works on something, and how long nobody else may
// unless it is prolonged. Whoever lost it changes nothing any more.
type Lease struct {
	Node string
	For  time.Duration
}

// A Turn is something that one node does at a time, such as sending to one
// partner, and the node that believes to have it.
type Turn struct{ Name, Node string }

// A Predecessor is what comes before a delivery by UNB 0020.
type Predecessor struct {
	Reference string
	Passed    bool  // it went out, or there is no order to keep
	InWork    bool  // it, or one further before, goes on by itself
	Unread    bool  // files of the same outbox were taken before and are not read yet: one of them may be it
	History   bool  // others of the pair came before: if this one is not there, it is missing
	ID        int64 // of the one that does not go on by itself; 0: there is none, it is missing
	State     State // of that one
}

// A Fetched file is stored here while its original still stands at the partner.
type Fetched struct {
	Name     string
	Size     int64
	Modified time.Time
	SHA256   string
	Delivery int64
}

// A Stop keeps a partner from being called until an operator or a changed
// credential releases it.
type Stop struct {
	Partner    string
	At         time.Time
	Cause      Cause
	Text       string
	Credential string // fingerprint of what was refused
}

// A Notice is an event that belongs to no delivery and is told once for each
// subject and stage: that a key or certificate ends soon.
type Notice struct {
	Subject string // "own 260500005 0a1001": use, IK, serial number or fingerprint
	Stage   int    // 90, 30, 14, 7 or 1 days before the end; 0: it has ended
	At      time.Time
	Text    string // for the operator
}
