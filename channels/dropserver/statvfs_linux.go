package dropserver

import (
	"github.com/pkg/sftp"
	"golang.org/x/sys/unix"

	"gateway301/channels"
)

// StatVFS implements sftp.StatVFSFileCmder, so that a client can tell a full disk
// from other faults.
func (j *jail) StatVFS(r *sftp.Request) (*sftp.StatVFS, error) {
	if _, err := locate(r.Filepath); err != nil {
		return nil, told(err)
	}
	dir, err := j.root.Open(".")
	if err != nil {
		return nil, told(err)
	}
	defer dir.Close()
	var s unix.Statfs_t
	if err := unix.Fstatfs(int(dir.Fd()), &s); err != nil {
		return nil, told(err)
	}
	return &sftp.StatVFS{
		Bsize: uint64(s.Bsize), Frsize: uint64(s.Frsize),
		Blocks: s.Blocks, Bfree: s.Bfree, Bavail: s.Bavail,
		Files: s.Files, Ffree: s.Ffree, Favail: s.Ffree,
		Namemax: channels.MaxName,
	}, nil
}
