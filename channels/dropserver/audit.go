package dropserver

import "time"

// An Action is what an Event is about.
type Action string

// The actions.
const (
	Login    Action = "login"    // or a refused one, then with Err
	Logout   Action = "logout"   // the connection ended
	Upload   Action = "upload"   // a file opened for writing was closed and is complete, or came to nothing, then with Err
	Download Action = "download" // a file opened for reading was closed
	Renamed  Action = "rename"   // Name became To
	Removed  Action = "remove"
	Listed   Action = "list"
	Truncate Action = "truncate"
	Banned   Action = "ban"    // an address failed to log in too often; Until says how long
	Refused  Action = "refuse" // something that no client may do here; Name says on what
)

// An Event is one line of the audit. It never holds content, keys or passwords.
// Names come from the client: print them with %q.
type Event struct {
	Time    time.Time
	Account string // as claimed, if the login was refused; empty before that
	Remote  string // host:port of the client
	Action  Action
	Name    string    // path in the jail, "/in/EKRH0001"
	To      string    // new path after a rename
	Bytes   int64     // read or written
	Until   time.Time // end of a ban
	Err     error     // nil if it was done
}
