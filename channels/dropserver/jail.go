package dropserver

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"sync/atomic"
	"syscall"

	"github.com/pkg/sftp"

	"gateway301/channels"
)

// A jail is the file system that one SFTP session sees. It implements the
// handlers of sftp.RequestServer.
type jail struct {
	c    *connection
	root *os.Root
}

// account is the account as the last reload left it.
func (j *jail) account() *Account { return j.c.account.Load() }

var (
	_ sftp.FileReader           = (*jail)(nil)
	_ sftp.OpenFileWriter       = (*jail)(nil)
	_ sftp.PosixRenameFileCmder = (*jail)(nil)
	_ sftp.StatVFSFileCmder     = (*jail)(nil)
	_ sftp.LstatFileLister      = (*jail)(nil)
)

// A place is a path in the jail that may exist: a folder, or a file in one.
type place struct {
	folder string // "", the account's In or its Out
	name   string // base name, or empty for the folder itself
}

// locate reads a client's path. There is nothing but the root, two folders, and
// plain names in them.
func (a *Account) locate(clientPath string) (place, error) {
	dir, name := path.Split(path.Clean("/" + clientPath))
	switch {
	case dir == "/" && name == "":
		return place{}, nil
	case dir == "/" && (name == a.In || name == a.Out):
		return place{folder: name}, nil
	case dir == "/"+a.In+"/" || dir == "/"+a.Out+"/":
		if err := channels.CheckName(name); err != nil {
			return place{}, fmt.Errorf("%w: %w", ErrNotAllowed, err)
		}
		return place{folder: path.Base(dir), name: name}, nil
	}
	return place{}, fs.ErrNotExist
}

// path is where the place is below the jail's root.
func (p place) path() string {
	if p.folder == "" {
		return "."
	}
	return path.Join(p.folder, p.name)
}

func (p place) String() string { return path.Join("/", p.folder, p.name) }

// file locates a file in one of the folders given.
func (a *Account) file(clientPath string, folders ...string) (place, error) {
	p, err := a.locate(clientPath)
	if err != nil {
		return place{}, err
	}
	for _, folder := range folders {
		if p.folder == folder && p.name != "" {
			return p, nil
		}
	}
	return place{}, ErrNotAllowed
}

// told turns an error into what the client may know of it.
func told(err error) error {
	switch {
	case err == nil, err == io.EOF:
		return err
	case errors.Is(err, fs.ErrNotExist):
		return sftp.ErrSSHFxNoSuchFile
	case errors.Is(err, ErrNotAllowed), errors.Is(err, fs.ErrPermission), errors.Is(err, ErrEnded):
		return sftp.ErrSSHFxPermissionDenied
	case errors.Is(err, errors.ErrUnsupported):
		return sftp.ErrSSHFxOpUnsupported
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%w: file exists", sftp.ErrSSHFxFailure)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, errFloor):
		return fmt.Errorf("%w: no space left", sftp.ErrSSHFxFailure)
	case errors.Is(err, errQuota), errors.Is(err, errComplete), errors.Is(err, errUploading):
		return fmt.Errorf("%w: %w", sftp.ErrSSHFxFailure, err)
	case errors.Is(err, errTooManyHandles):
		return fmt.Errorf("%w: too many open files", sftp.ErrSSHFxFailure)
	default:
		return sftp.ErrSSHFxFailure
	}
}

// What clients are told as it stands here.
var (
	errTooManyHandles = errors.New("too many open files")
	errComplete       = errors.New("the file is complete: it can be replaced, not changed")
	errUploading      = errors.New("the file is being uploaded")
)

// done audits an action and says what the client is told.
func (j *jail) done(action Action, p, to string, err error) error {
	if errors.Is(err, ErrNotAllowed) {
		action = Refused
	}
	j.c.audit(Event{Action: action, Name: p, To: to, Err: err})
	return told(err)
}

// take counts an open handle, or refuses one more.
func (j *jail) take() error {
	if err := j.c.retired(); err != nil {
		return err
	}
	if int(j.c.handles.Add(1)) > j.c.settings().MaxHandles {
		j.c.handles.Add(-1)
		return errTooManyHandles
	}
	return nil
}

func (j *jail) give() { j.c.handles.Add(-1) }

// open opens a plain file for reading, and nothing that is not one: a link in the
// jail, made by somebody on our machine, is not followed.
func (j *jail) open(p place) (*os.File, error) {
	if err := j.plain(p); err != nil {
		return nil, err
	}
	// O_NONBLOCK: a FIFO that takes the file's place must not hold us.
	f, err := j.root.OpenFile(p.path(), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	opened, err := f.Stat()
	var info os.FileInfo
	if err == nil {
		info, err = j.root.Lstat(p.path())
	}
	if err == nil && (!opened.Mode().IsRegular() || !os.SameFile(opened, info)) {
		err = ErrNotAllowed
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Fileread implements sftp.FileReader.
func (j *jail) Fileread(r *sftp.Request) (io.ReaderAt, error) {
	a := j.account()
	folders := []string{a.Out}
	if a.ReadBack {
		folders = append(folders, a.In)
	}
	p, err := a.file(r.Filepath, folders...)
	if err == nil {
		err = j.take()
	}
	if err != nil {
		return nil, j.done(Download, r.Filepath, "", err)
	}
	f, err := j.open(p)
	if err != nil {
		j.give()
		return nil, j.done(Download, p.String(), "", err)
	}
	return &download{j: j, f: f, place: p}, nil
}

// A download is a file that a client reads. ReadAt may run several times at once.
type download struct {
	j     *jail
	f     *os.File
	place place
	bytes atomic.Int64
	fault error // why it broke off
}

func (d *download) ReadAt(b []byte, off int64) (int, error) {
	n, err := d.f.ReadAt(b, off)
	d.bytes.Add(int64(n))
	return n, told(err)
}

// TransferError implements sftp.TransferError: the line broke with the file open.
func (d *download) TransferError(err error) { d.fault = err }

func (d *download) Close() error {
	defer d.j.give()
	err := d.f.Close()
	if d.fault != nil {
		err = d.fault
	}
	d.j.c.audit(Event{Action: Download, Name: d.place.String(), Bytes: d.bytes.Load(), Err: err})
	return told(err)
}

// syncFolder makes what was created, renamed or removed in a folder durable.
func (j *jail) syncFolder(folder string) error {
	f, err := j.root.Open(folder)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// Filecmd implements sftp.FileCmder.
func (j *jail) Filecmd(r *sftp.Request) error {
	switch r.Method {
	case "Setstat":
		return j.setstat(r)
	case "Rename":
		return j.rename(r, func(from, to string) error { return channels.RenameNoReplace(j.root, from, to) })
	case "Remove":
		return j.remove(r)
	case "Link", "Symlink":
		return j.done(Refused, r.Target, "", ErrNotAllowed)
	default: // Mkdir, Rmdir
		return j.done(Refused, r.Filepath, "", ErrNotAllowed)
	}
}

// PosixRename implements sftp.PosixRenameFileCmder: the target is replaced.
func (j *jail) PosixRename(r *sftp.Request) error {
	return j.rename(r, j.root.Rename)
}

func (j *jail) rename(r *sftp.Request, rename func(from, to string) error) error {
	a := j.account()
	from, err := a.file(r.Filepath, a.In)
	if err != nil {
		return j.done(Renamed, r.Filepath, r.Target, err)
	}
	to, err := a.file(r.Target, a.In)
	if err == nil && (j.c.presence.find(from.name) != nil || j.c.presence.find(to.name) != nil) {
		err = errUploading
	}
	if err == nil {
		err = j.plain(from)
	}
	if err == nil {
		if err = j.plain(to); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	if err == nil {
		err = rename(from.path(), to.path())
	}
	if err == nil {
		err = j.syncFolder(a.In)
	}
	return j.done(Renamed, from.String(), r.Target, err)
}

// plain makes sure that a plain file stands there.
func (j *jail) plain(p place) error {
	info, err := j.root.Lstat(p.path())
	if err == nil && !info.Mode().IsRegular() {
		return ErrNotAllowed
	}
	return err
}

func (j *jail) remove(r *sftp.Request) error {
	a := j.account()
	p, err := a.file(r.Filepath, a.In, a.Out)
	if err != nil {
		return j.done(Removed, r.Filepath, "", err)
	}
	dropped := p.folder == a.In && j.c.presence.drop(p.name)
	if err = j.plain(p); err == nil {
		err = j.root.Remove(p.path())
	}
	if err == nil {
		err = j.syncFolder(p.folder)
	}
	if dropped && errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return j.done(Removed, r.Filepath, "", err)
}

// setstat changes the length of a file that is being uploaded, and takes note of
// nothing else.
func (j *jail) setstat(r *sftp.Request) error {
	a := j.account()
	p, err := a.locate(r.Filepath)
	if err != nil {
		return told(err)
	}
	u := j.uploadAt(p)
	var info os.FileInfo
	if u == nil {
		if info, err = j.root.Lstat(p.path()); err != nil {
			return told(err)
		}
	}
	if !r.AttrFlags().Size {
		return nil
	}
	asked := r.Attributes()
	if asked == nil { // it says that there is a size, and ends
		return sftp.ErrSSHFxBadMessage
	}
	size := int64(asked.Size)
	switch _, err = a.file(r.Filepath, a.In); {
	case err != nil:
	case size < 0:
		err = ErrNotAllowed
	case u != nil:
		err = u.truncate(size)
	case !info.Mode().IsRegular():
		err = ErrNotAllowed
	case info.Size() != size:
		err = errComplete
	}
	return j.done(Truncate, r.Filepath, "", err)
}

// uploadAt is the open upload that a client sees at a place, or nil.
func (j *jail) uploadAt(p place) *upload {
	if p.name == "" || p.folder != j.account().In {
		return nil
	}
	return j.c.presence.find(p.name)
}
