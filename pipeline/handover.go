package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"gateway301/annex"
	"gateway301/exchange"
)

// HandedName is the stable name under which a back end gets a file: owner,
// logical file name and the delivery's number. Owner and logical name come from
// the sender: what is neither letter nor digit of ASCII stands as "_".
func HandedName(d exchange.Delivery) string {
	plain := func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' {
			return r
		}
		return '_'
	}
	return fmt.Sprintf("%s-%s-%06d.edi", strings.Map(plain, d.Owner), strings.Map(plain, d.Envelope.ApplicationRef), d.ID)
}

// LeftOutName is the name of the list that lies beside a handed file of which some
// messages were refused: which, and why.
func LeftOutName(d exchange.Delivery) string {
	return strings.TrimSuffix(HandedName(d), ".edi") + ".leftout.txt"
}

// temporaryName is what a file is called in the back end's folder until it is complete.
func temporaryName(d exchange.Delivery) string { return ".gateway-" + d.Intake + ".tmp" }

// stage writes the good messages into the back end's folder under a temporary
// name, after the list of those left out, which thus stands there before the file
// appears. The next station knows by this name whether the rename has happened.
func (p *Pipeline) stage(ctx context.Context, d exchange.Delivery) error {
	inbox, err := p.inbox(d)
	if err != nil {
		return err
	}
	defer inbox.Close()
	skip, err := leftOut(d)
	if err != nil {
		return err
	}
	if err := p.listLeftOut(inbox, d); err != nil {
		return err
	}
	plain, err := p.part(d, partPlain)
	if err != nil {
		return err
	}
	defer plain.Close()
	if err := writeSynced(inbox, temporaryName(d), func(w io.Writer) error {
		src := &interruptible{ctx, plain}
		if len(d.Draft) == 0 {
			_, err := io.Copy(w, src)
			return err
		}
		_, err := annex.CopyWithout(w, src, skip)
		return err
	}); err != nil {
		return err
	}
	// The row must not outlive the name in a power cut, nor be judged by another folder.
	folder, err := inbox.Open(".")
	if err != nil {
		return err
	}
	defer folder.Close()
	if err := folder.Sync(); err != nil {
		return err
	}
	mark, err := folderMark(folder)
	if err != nil {
		return err
	}
	_, err = p.apply(ctx, exchange.Move{ID: d.ID, From: d.State, By: exchange.Staged, Due: p.Now(), Cause: d.Cause, Text: d.Reason,
		Change: func(d *exchange.Delivery) { d.Proof = mark }})
	return err
}

// listLeftOut puts the list of refused messages into the back end's folder, whole
// under its name; a second time it replaces the list by the same. Where nothing was
// refused, it removes what an earlier opening of the delivery may have left.
func (p *Pipeline) listLeftOut(inbox *os.Root, d exchange.Delivery) error {
	if len(d.Draft) == 0 {
		if err := inbox.Remove(LeftOutName(d)); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	found, err := ReadFindings(func(part string) (io.ReadCloser, error) { return p.part(d, part) })
	if err != nil {
		return err
	}
	rep := annex.Report{Envelope: annex.Envelope{ApplicationRef: d.Envelope.ApplicationRef}, Refused: found.LeftOut}
	if err := writeSynced(inbox, temporaryName(d), func(w io.Writer) error { return annex.WriteLeftOut(w, &rep) }); err != nil {
		return err
	}
	return inbox.Rename(temporaryName(d), LeftOutName(d))
}

// errAnotherFolder: the back end's folder is not the one that a file was staged in.
var errAnotherFolder = errors.New("the inbox is not the folder that the file was written to: is it mounted?")

// folderMark tells a folder from another one that stands under its name, such as
// the empty mount point of a share that is gone. The device is left out: a share
// gets another one whenever it is mounted.
func folderMark(dir *os.File) (string, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(dir.Fd()), &st); err != nil {
		return "", err
	}
	return fmt.Sprintf("staged in folder %d", st.Ino), nil
}

// handOver gives the staged file its name. If the temporary name is gone, the
// rename happened before a crash, and the back end may have taken the file;
// provided that it is gone from the folder that it was staged in.
func (p *Pipeline) handOver(ctx context.Context, d exchange.Delivery) error {
	inbox, err := p.inbox(d)
	if err != nil {
		return err
	}
	defer inbox.Close()
	name := HandedName(d)
	dir, err := inbox.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	err = unix.Renameat2(int(dir.Fd()), temporaryName(d), int(dir.Fd()), name, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) { // a file system without it; the name is ours alone
		err = unix.Renameat(int(dir.Fd()), temporaryName(d), int(dir.Fd()), name)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err != nil {
		switch mark, err := folderMark(dir); {
		case err != nil:
			return err
		case d.Proof != "" && d.Proof != mark:
			return errAnotherFolder
		}
	}
	if err := dir.Sync(); err != nil {
		return err
	}
	_, err = p.apply(ctx, exchange.Move{ID: d.ID, From: d.State, By: exchange.HandedOver, Cause: d.Cause, Text: first(d.Reason, "handed over")})
	return err
}

// inbox opens the back end's folder of the identity that a file is for.
func (p *Pipeline) inbox(d exchange.Delivery) (*os.Root, error) {
	id := p.identities[d.EncryptTo]
	if id.Inbox == "" {
		return nil, fmt.Errorf("identity %s has no inbox", d.EncryptTo)
	}
	if err := os.MkdirAll(id.Inbox, 0o700); err != nil {
		return nil, err
	}
	return os.OpenRoot(id.Inbox)
}

func writeSynced(root *os.Root, name string, fill func(io.Writer) error) (err error) {
	f, err := root.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := fill(f); err != nil {
		return err
	}
	return f.Sync()
}
