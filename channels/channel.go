package channels

import (
	"context"
	"io"
	"time"
)

// A Side is one of the two folders of a channel.
type Side int

const (
	Outgoing Side = iota // where we put
	Incoming             // where we fetch
)

// String returns "outgoing" or "incoming".
func (s Side) String() string {
	if s == Incoming {
		return "incoming"
	}
	return "outgoing"
}

// An Entry is a plain file in one of the two folders.
type Entry struct {
	Name    string    // base name, always passes CheckName
	Size    int64     // bytes
	ModTime time.Time // as the partner's side tells it; SFTP knows whole seconds
}

// A Refused names a file that List left out and left in place.
type Refused struct {
	Name string // as the partner spells it: print it with %q
	Err  error  // why, wraps ErrName
}

// A Sight is what stands in the outgoing folder for one final name.
type Sight struct {
	Final     *Entry // nil if nothing stands under the final name
	Temporary *Entry // nil if nothing stands under the temporary name, or none is used
}

// PutOptions tell Put about the attempt. The zero value is a first attempt.
type PutOptions struct {
	// Ours says that an earlier attempt of this very delivery, with the same
	// bytes, may have left the final or the temporary name. A final name of the
	// right size then counts as delivered. Without a temporary name the size
	// proves nothing: then the file counts if it can be read back and is the
	// same, and is written anew if not.
	Ours bool

	// BeforePublish, if set, is called once the content is complete and proven,
	// right before the final name appears, so that the caller can record its
	// intent durably. If it returns an error, nothing appears under the final
	// name and Put returns that error. It is not called if the final name is
	// found to be there already. Without a temporary name it is called before
	// the first byte is written.
	BeforePublish func() error
}

// A Level says how far a delivery was proven. More is stronger.
type Level int

const (
	Unproven     Level = iota
	Acknowledged       // the partner's side confirmed write, close and rename
	Listed             // the name was seen in a listing of the folder
	Size               // the size was right at the temporary and at the final name
	Hash               // the content was read back and was identical
)

// String returns the level's name as used in settings: "size", "hash" …
func (l Level) String() string {
	switch l {
	case Acknowledged:
		return "acknowledged"
	case Listed:
		return "listed"
	case Size:
		return "size"
	case Hash:
		return "hash"
	default:
		return "unproven"
	}
}

// A Proof says what is known of a file after Put succeeded. It never claims
// more than was seen: a partner that lets nobody look yields Acknowledged, even
// if the settings ask for more.
type Proof struct {
	Level Level
	Text  string // for operators: "size 18234 proven at final name"
}

// A Channel reaches one partner. Its methods may be called from several
// goroutines at once. Cancelling ctx ends a call soon, also one that waits for
// a silent partner; the error then is context.Canceled.
//
// All names are base names. A name that [CheckName] turns down makes every
// method fail with ErrRefused and ErrName before anything is sent. A file that
// is not there yields fs.ErrNotExist.
type Channel interface {
	// List returns the plain files of a side in name order. Folders, links and
	// devices are left out. Files whose names CheckName turns down are left out
	// too, left in place, and returned as refused. A folder that vanished, or
	// whose medium is gone, is an error and never an empty listing.
	List(ctx context.Context, side Side) (files []Entry, refused []Refused, err error)

	// Look tells what stands in the outgoing folder under name and under the
	// temporary name that belongs to it.
	Look(ctx context.Context, name string) (Sight, error)

	// Put makes the first size bytes of r visible under name in the outgoing
	// folder, and only when all of them have arrived. It reads r in order, and
	// again from the start if it has to compare. A final name that stands there
	// already is never replaced; unless it counts as ours, Put fails with
	// ErrExists. Whatever stands under the temporary name is ours by definition.
	//
	// After an error nothing stands under the final name because of this call,
	// except with ErrUnknown, where both is possible and Look tells, and with
	// ErrSize for the final name.
	Put(ctx context.Context, name string, r io.ReaderAt, size int64, o PutOptions) (Proof, error)

	// Get writes the file to w and returns the number of bytes written. It
	// fails with ErrSize if the file changed its size meanwhile; what was
	// written to w until then is worthless.
	Get(ctx context.Context, side Side, name string, w io.Writer) (int64, error)

	// Remove deletes a plain file, and nothing that is not one.
	Remove(ctx context.Context, side Side, name string) error

	// Close gives up the connection and ends calls under way.
	Close() error
}
