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

// The two folders of an account.
const (
	in  = "in"
	out = "out"
)

// A jail is the file system that one SFTP session sees. It implements the
// handlers of sftp.RequestServer.
type jail struct {
	c    *connection
	root *os.Root
}

var (
	_ sftp.FileReader           = (*jail)(nil)
	_ sftp.OpenFileWriter       = (*jail)(nil)
	_ sftp.PosixRenameFileCmder = (*jail)(nil)
	_ sftp.StatVFSFileCmder     = (*jail)(nil)
	_ sftp.LstatFileLister      = (*jail)(nil)
)

// A place is a path in the jail that may exist: a folder, or a file in one.
type place struct {
	folder string // "", in or out
	name   string // base name, or empty for the folder itself
}

// locate reads a client's path. There is nothing but the root, two folders, and
// plain names in them.
func locate(clientPath string) (place, error) {
	dir, name := path.Split(path.Clean("/" + clientPath))
	switch {
	case dir == "/" && name == "":
		return place{}, nil
	case dir == "/" && (name == in || name == out):
		return place{folder: name}, nil
	case dir == "/"+in+"/" || dir == "/"+out+"/":
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
func file(clientPath string, folders ...string) (place, error) {
	p, err := locate(clientPath)
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
	case errors.Is(err, ErrNotAllowed), errors.Is(err, fs.ErrPermission):
		return sftp.ErrSSHFxPermissionDenied
	case errors.Is(err, errors.ErrUnsupported):
		return sftp.ErrSSHFxOpUnsupported
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%w: file exists", sftp.ErrSSHFxFailure)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w: no space left", sftp.ErrSSHFxFailure)
	case errors.Is(err, errTooManyHandles):
		return fmt.Errorf("%w: too many open files", sftp.ErrSSHFxFailure)
	default:
		return sftp.ErrSSHFxFailure
	}
}

var errTooManyHandles = errors.New("too many open files")

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
	if int(j.c.handles.Add(1)) > j.c.server.settings.MaxHandles {
		j.c.handles.Add(-1)
		return errTooManyHandles
	}
	return nil
}

func (j *jail) give() { j.c.handles.Add(-1) }

// open opens a plain file, and nothing that is not one: a link in the jail, made
// by somebody on our machine, is not followed.
func (j *jail) open(p place, flags int) (*os.File, error) {
	info, err := j.root.Lstat(p.path())
	if err == nil && !info.Mode().IsRegular() {
		return nil, ErrNotAllowed
	}
	if err != nil && (!errors.Is(err, fs.ErrNotExist) || flags&os.O_CREATE == 0) {
		return nil, err
	}
	// O_NONBLOCK: a FIFO that takes the file's place must not hold us.
	f, err := j.root.OpenFile(p.path(), flags|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, err
	}
	opened, err := f.Stat()
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
	folders := []string{out}
	if j.c.account.ReadBack {
		folders = append(folders, in)
	}
	f, err := j.handle(r, Download, os.O_RDONLY, folders...)
	if err != nil {
		return nil, err
	}
	f.readable = true
	return f, nil
}

// Filewrite implements sftp.FileWriter.
func (j *jail) Filewrite(r *sftp.Request) (io.WriterAt, error) {
	f, err := j.handle(r, Upload, os.O_WRONLY|createFlags(r), in)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// OpenFile implements sftp.OpenFileWriter, for clients that always ask for both.
func (j *jail) OpenFile(r *sftp.Request) (sftp.WriterAtReaderAt, error) {
	f, err := j.handle(r, Upload, os.O_RDWR|createFlags(r), in)
	if err != nil {
		return nil, err
	}
	f.readable = j.c.account.ReadBack
	return f, nil
}

func createFlags(r *sftp.Request) int {
	asked, flags := r.Pflags(), 0
	if asked.Creat {
		flags |= os.O_CREATE
	}
	if asked.Trunc {
		flags |= os.O_TRUNC
	}
	if asked.Excl {
		flags |= os.O_EXCL
	}
	return flags // appending clients send offsets
}

func (j *jail) handle(r *sftp.Request, action Action, flags int, folders ...string) (*openFile, error) {
	p, err := file(r.Filepath, folders...)
	if err == nil {
		err = j.take()
	}
	if err != nil {
		return nil, j.done(action, r.Filepath, "", err)
	}
	f, err := j.open(p, flags)
	if err != nil {
		j.give()
		return nil, j.done(action, p.String(), "", err)
	}
	return &openFile{j: j, f: f, place: p, action: action}, nil
}

// An openFile is a file that a client has open. Its methods may run at the same
// time, except Close.
type openFile struct {
	j        *jail
	f        *os.File
	place    place
	action   Action
	readable bool
	bytes    atomic.Int64
	fault    error // why the upload or download broke off
}

func (o *openFile) ReadAt(b []byte, off int64) (int, error) {
	if !o.readable {
		return 0, told(ErrNotAllowed)
	}
	n, err := o.f.ReadAt(b, off)
	o.bytes.Add(int64(n))
	return n, told(err)
}

func (o *openFile) WriteAt(b []byte, off int64) (int, error) {
	n, err := o.f.WriteAt(b, off)
	o.bytes.Add(int64(n))
	return n, told(err)
}

// TransferError implements sftp.TransferError: the line broke with the file open.
func (o *openFile) TransferError(err error) { o.fault = err }

// Close makes an upload durable before the client hears that it is closed.
func (o *openFile) Close() error {
	defer o.j.give()
	err := o.fault
	if err == nil && o.action == Upload {
		err = o.f.Sync()
	}
	if closeErr := o.f.Close(); err == nil {
		err = closeErr
	}
	if err == nil && o.action == Upload {
		err = o.j.syncFolder(o.place.folder)
	}
	o.j.c.audit(Event{Action: o.action, Name: o.place.String(), Bytes: o.bytes.Load(), Err: err})
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
	from, err := file(r.Filepath, in)
	if err != nil {
		return j.done(Renamed, r.Filepath, r.Target, err)
	}
	to, err := file(r.Target, in)
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
		err = j.syncFolder(in)
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
	p, err := file(r.Filepath, in, out)
	if err == nil {
		err = j.plain(p)
	}
	if err == nil {
		err = j.root.Remove(p.path())
	}
	if err == nil {
		err = j.syncFolder(p.folder)
	}
	return j.done(Removed, r.Filepath, "", err)
}

// setstat changes a length in "in", and takes note of nothing else.
func (j *jail) setstat(r *sftp.Request) error {
	p, err := locate(r.Filepath)
	if err == nil {
		_, err = j.root.Lstat(p.path())
	}
	if err != nil {
		return told(err)
	}
	if !r.AttrFlags().Size {
		return nil
	}
	if p, err = file(r.Filepath, in); err == nil {
		err = j.truncate(p, int64(r.Attributes().Size))
	}
	return j.done(Truncate, r.Filepath, "", err)
}

func (j *jail) truncate(p place, size int64) error {
	f, err := j.open(p, os.O_WRONLY)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Truncate(size)
}
