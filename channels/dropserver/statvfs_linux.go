package dropserver

import (
	"errors"
	"fmt"

	"github.com/pkg/sftp"
	"golang.org/x/sys/unix"

	"gateway301/channels"
)

func (j *jail) statfs() (s unix.Statfs_t, err error) {
	dir, err := j.root.Open(".")
	if err != nil {
		return s, err
	}
	defer dir.Close()
	return s, unix.Fstatfs(int(dir.Fd()), &s)
}

var errFloor = errors.New("too little room on the disk")

// room reports whether there is room for uploads.
func (j *jail) room() error {
	floor := j.c.settings().Floor
	if floor == 0 {
		return nil
	}
	s, err := j.statfs()
	if err != nil {
		return err
	}
	if free := int64(s.Bavail) * s.Bsize; free < floor {
		return fmt.Errorf("%w: %d bytes free, %d is the floor", errFloor, free, floor)
	}
	return nil
}

// StatVFS implements sftp.StatVFSFileCmder, so that a client can tell a full disk
// from other faults. Whoever has a quota sees that.
func (j *jail) StatVFS(r *sftp.Request) (*sftp.StatVFS, error) {
	if _, err := j.account().locate(r.Filepath); err != nil {
		return nil, told(err)
	}
	s, err := j.statfs()
	if err != nil {
		return nil, told(err)
	}
	answer := &sftp.StatVFS{
		Bsize: uint64(s.Bsize), Frsize: uint64(s.Frsize),
		Blocks: s.Blocks, Bfree: s.Bfree, Bavail: s.Bavail,
		Files: s.Files, Ffree: s.Ffree, Favail: s.Ffree,
		Namemax: channels.MaxName,
	}
	if total, left, limited := j.c.presence.left(j); limited {
		size := uint64(s.Frsize)
		answer.Blocks = min(s.Blocks, uint64(total)/size)
		answer.Bfree = min(s.Bfree, uint64(left)/size)
		answer.Bavail = min(s.Bavail, uint64(left)/size)
	}
	return answer, nil
}
