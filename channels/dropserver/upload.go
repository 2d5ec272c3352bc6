package dropserver

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/pkg/sftp"

	"gateway301/channels"
)

// An upload is a file that a client writes. It grows in a folder that nobody else
// looks into, and appears under its name when the client has closed it:
//
//	uploading/17, growing ─→ uploading/17, synced ─→ in/EKRH0001
//
// The client sees it under its name all the time. When the line breaks before the
// close, it is gone: with many writes under way at once a file that broke off may
// have holes, so there is nothing that a client could rightly resume.
//
// Its methods may run at the same time, except Close.
type upload struct {
	j        *jail
	f        *os.File
	name     string // in the In folder
	path     string // where it grows, below the jail's root
	replace  bool   // a file of this name may be replaced
	readable bool

	bytes   atomic.Int64 // written
	dropped atomic.Bool  // removed while it was open: nothing will come of it

	mu     sync.Mutex
	size   int64 // bytes
	looked int64 // size at which the disk was last asked for room
	fault  error // why nothing will come of it

	charged int64 // what it counts in the quota; of the presence
}

// Filewrite implements sftp.FileWriter.
func (j *jail) Filewrite(r *sftp.Request) (io.WriterAt, error) {
	u, err := j.upload(r)
	if err != nil {
		return nil, err
	}
	return u, nil
}

// OpenFile implements sftp.OpenFileWriter, for clients that always ask for both.
func (j *jail) OpenFile(r *sftp.Request) (sftp.WriterAtReaderAt, error) {
	u, err := j.upload(r)
	if err != nil {
		return nil, err
	}
	u.readable = j.account().ReadBack
	return u, nil
}

func (j *jail) upload(r *sftp.Request) (*upload, error) {
	a := j.account()
	p, err := a.file(r.Filepath, a.In)
	if err == nil {
		err = j.take()
	}
	if err != nil {
		return nil, j.done(Upload, r.Filepath, "", err)
	}
	u, err := j.begin(p, r.Pflags())
	if err != nil {
		j.give()
		return nil, j.done(Upload, p.String(), "", err)
	}
	return u, nil
}

// begin starts an upload, if the flags that the client gave agree with what is there.
func (j *jail) begin(p place, asked sftp.FileOpenFlags) (*upload, error) {
	info, err := j.root.Lstat(p.path())
	there := err == nil
	switch {
	case there && !info.Mode().IsRegular():
		return nil, ErrNotAllowed
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	growing := j.c.presence.find(p.name) != nil
	switch {
	case !there && !growing && !asked.Creat:
		return nil, fs.ErrNotExist
	case (there || growing) && asked.Creat && asked.Excl:
		return nil, fs.ErrExist
	case growing && !asked.Trunc:
		return nil, errUploading // two handles would each write a part
	case there && !asked.Trunc && info.Size() > 0:
		return nil, errComplete
	}
	if err := j.room(); err != nil {
		return nil, err
	}
	u := &upload{
		j: j, name: p.name, replace: !asked.Excl,
		path: path.Join(uploading, strconv.FormatInt(j.c.server.serial.Add(1), 10)),
	}
	if err := j.c.presence.reserve(j, u, block); err != nil {
		return nil, err
	}
	if u.f, err = j.root.OpenFile(u.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		j.c.presence.end(u, false)
		return nil, err
	}
	j.c.presence.show(u)
	return u, nil
}

func (u *upload) ReadAt(b []byte, off int64) (int, error) {
	if !u.readable {
		return 0, told(ErrNotAllowed)
	}
	n, err := u.f.ReadAt(b, off)
	return n, told(err)
}

func (u *upload) WriteAt(b []byte, off int64) (int, error) {
	if err := u.grow(off + int64(len(b))); err != nil {
		return 0, told(err)
	}
	n, err := u.f.WriteAt(b, off)
	u.bytes.Add(int64(n))
	if err != nil {
		u.fail(err)
	}
	return n, told(err)
}

// lookEvery is by how many bytes an upload grows between two looks at the disk.
const lookEvery = 16 << 20

// grow asks whether the upload may have so many bytes. After a no it never
// becomes complete, also if the client does not mind.
func (u *upload) grow(size int64) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if size <= u.size {
		return nil
	}
	var err error
	if more := cost(size) - cost(u.size); more > 0 {
		err = u.j.c.presence.reserve(u.j, u, more)
	}
	if err == nil && size-u.looked >= lookEvery {
		err = u.j.room()
		u.looked = size
	}
	if err != nil {
		u.fault = err
		return err
	}
	u.size = size
	return nil
}

func (u *upload) truncate(size int64) error {
	if err := u.grow(size); err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.size = size
	return u.f.Truncate(size)
}

func (u *upload) fail(err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.fault = err
}

// TransferError implements sftp.TransferError: the line broke with the file open.
func (u *upload) TransferError(err error) { u.fail(err) }

// Close makes an upload durable and lets it appear before the client hears that
// it is closed.
func (u *upload) Close() error {
	defer u.j.give()
	err := u.fault
	if err == nil && !u.dropped.Load() {
		err = u.publish()
	}
	complete := err == nil && !u.dropped.Load()
	if !complete {
		// What stays after an error here is swept away by the next start.
		u.j.root.Remove(u.path)
	}
	u.j.c.presence.end(u, complete)
	if closeErr := u.f.Close(); err == nil {
		err = closeErr
	}
	p := place{u.j.account().In, u.name}
	u.j.c.audit(Event{Action: Upload, Name: p.String(), Bytes: u.bytes.Load(), Err: err})
	return told(err)
}

func (u *upload) publish() error {
	if err := u.f.Sync(); err != nil {
		return err
	}
	p := place{u.j.account().In, u.name}
	if err := u.j.plain(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	rename := u.j.root.Rename
	if !u.replace {
		rename = func(from, to string) error { return channels.RenameNoReplace(u.j.root, from, to) }
	}
	if err := rename(u.path, p.path()); err != nil {
		return fmt.Errorf("the upload is complete and cannot appear: %w", err)
	}
	return u.j.syncFolder(p.folder)
}
