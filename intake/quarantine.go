package intake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"gateway301/exchange"
)

// quarantine records a file that cannot be taken and moves it to the quarantine
// folder. done tells that the row stands.
func (i *Intake) quarantine(ctx context.Context, name string, e *entry, cause exchange.Cause) (done bool, err error) {
	d := i.delivery(name, e)
	d.Due = time.Time{} // nothing is due
	d.Cause, d.Reason = cause, i.reason(e, cause)
	if err := i.record(ctx, name, e, d, exchange.Quarantining, d.Reason); err != nil {
		return false, err
	}
	return true, i.clear(ctx, name, e)
}

// reason words a verdict for the operator.
func (i *Intake) reason(e *entry, cause exchange.Cause) string {
	switch cause {
	case exchange.Empty:
		return "the file is empty"
	case exchange.Oversize:
		return fmt.Sprintf("the file has %d bytes, more than the %d allowed in outbox %s", e.id.size, i.box.MaxSize, i.box.Name)
	}
	if cause == exchange.Unfinished {
		return "the file's last segment is not UNZ and nothing was added to it for a long time: perhaps its writer stopped half-way"
	}
	return fmt.Sprintf("the file could not be read, %d times in a row", e.unread)
}

// german words it for the reason file.
func (i *Intake) german(e *entry, cause exchange.Cause) string {
	switch cause {
	case exchange.Empty:
		return "Die Datei ist leer."
	case exchange.Oversize:
		return fmt.Sprintf("Die Datei hat %d Bytes, mehr als der Ausgangsordner %s zulässt.", e.id.size, i.box.Name)
	}
	if cause == exchange.Unfinished {
		return "Das letzte Segment der Datei ist nicht UNZ, und lange kam nichts hinzu: Vielleicht wurde sie nur halb geschrieben."
	}
	return "Die Datei war nicht lesbar, auch nicht nach mehreren Versuchen."
}

// reasonSuffix is what the name of a reason file adds to that of its file.
const reasonSuffix = ".reason.txt"

// moveAway brings a file whose row is quarantined into the quarantine folder,
// under a name of its own. The reason is written first and reserves the name; a
// crash in between is made good at the next look.
func (i *Intake) moveAway(ctx context.Context, name string, e *entry) error {
	text := i.reasonFile(name, e)
	for n := 1; ; n++ {
		to := filepath.Join(i.box.Quarantine, numbered(name, n))
		if _, err := i.disk.Lstat(to); err == nil {
			// An earlier one of that name; or this very one, copied to another file
			// system, when only its removal failed.
			if ours, err := i.says(to+reasonSuffix, text); err != nil {
				return err
			} else if ours {
				return i.remove(name)
			}
			continue
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if free, err := i.reserve(to+reasonSuffix, text); err != nil {
			return err
		} else if !free {
			continue
		}
		switch err := i.move(ctx, name, e, to); {
		case errors.Is(err, fs.ErrExist):
			continue
		default:
			return err
		}
	}
}

// numbered is the n-th name that a file may have in the quarantine folder:
// "x.edi", "x.edi.2", …
func numbered(name string, n int) string {
	if n == 1 {
		return name
	}
	return name + "." + strconv.Itoa(n)
}

// reserve writes a reason file. free is false if one with another text is there.
func (i *Intake) reserve(path string, text []byte) (free bool, err error) {
	err = i.disk.Write(path, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
	if !errors.Is(err, fs.ErrExist) {
		return err == nil, err
	}
	return i.says(path, text) // ours, from before a crash
}

// says reports whether a reason file holds this text. One that is gone says nothing.
func (i *Intake) says(path string, text []byte) (bool, error) {
	f, err := i.disk.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	got, err := io.ReadAll(io.LimitReader(f, int64(len(text))+1))
	return bytes.Equal(got, text), err
}

// reasonFile is the text beside a quarantined file. The token ties it to one row.
func (i *Intake) reasonFile(name string, e *entry) []byte {
	d := e.row
	return fmt.Appendf(nil, "%s\n%s\n\nDatei / file: %s\nAusgangsordner / outbox: %s\nZeit / time: %s\nVorgang / delivery: %d (%s)\n",
		i.german(e, d.Cause), d.Reason, shown(name), i.box.Name, d.TakenAt.UTC().Format("2006-01-02 15:04:05 MST"), d.ID, d.Intake)
}

// move renames, or copies where the quarantine folder is on another file system.
func (i *Intake) move(ctx context.Context, name string, e *entry, to string) error {
	err := i.disk.Move(i.path(name), to)
	if !errors.Is(err, syscall.EXDEV) {
		return err
	}
	free, err := i.disk.Free(i.box.Quarantine)
	if err != nil {
		return err
	}
	if free-e.id.size < i.box.Floor {
		return fmt.Errorf("quarantine: %w: %d bytes free, %d needed and %d to stay free", ErrDiskFloor, free, e.id.size, i.box.Floor)
	}
	err = i.disk.Write(to, func(w io.Writer) error { return i.copy(ctx, w, name, e) })
	if err != nil {
		return err
	}
	return i.remove(name)
}

func (i *Intake) copy(ctx context.Context, w io.Writer, name string, e *entry) error {
	f, err := i.open(name, e)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.Copy(w, &cancellable{ctx, f}); err != nil {
		return err
	}
	still, err := i.still(name, e)
	if err == nil && !still {
		err = errChanged
	}
	return err
}
