package dropserver

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"

	"github.com/pkg/sftp"

	"gateway301/channels"
)

// Filelist implements sftp.FileLister.
func (j *jail) Filelist(r *sftp.Request) (sftp.ListerAt, error) {
	p, err := locate(r.Filepath)
	if err != nil {
		return nil, told(err)
	}
	switch r.Method {
	case "Stat":
		return j.stat(p)
	case "List":
		return j.list(p)
	default: // Readlink
		return nil, told(errors.ErrUnsupported)
	}
}

// Lstat implements sftp.LstatFileLister. There are no links to tell apart.
func (j *jail) Lstat(r *sftp.Request) (sftp.ListerAt, error) {
	p, err := locate(r.Filepath)
	if err != nil {
		return nil, told(err)
	}
	return j.stat(p)
}

func (j *jail) stat(p place) (sftp.ListerAt, error) {
	info, err := j.root.Lstat(p.path())
	if err == nil && p.name != "" && !info.Mode().IsRegular() {
		err = fs.ErrNotExist // what no listing shows is not there
	}
	if err != nil {
		return nil, told(err)
	}
	return one{shown{info, path.Base(p.String())}}, nil
}

// list opens a folder for reading it piece by piece, so that memory does not grow
// with its length.
func (j *jail) list(p place) (sftp.ListerAt, error) {
	if p.folder == "" {
		return j.listRoot()
	}
	if p.name != "" {
		return nil, j.done(Listed, p.String(), "", ErrNotAllowed)
	}
	if err := j.take(); err != nil {
		return nil, j.done(Listed, p.String(), "", err)
	}
	dir, err := j.root.Open(p.folder)
	if err != nil {
		j.give()
		return nil, j.done(Listed, p.String(), "", err)
	}
	j.done(Listed, p.String(), "", nil)
	return &folderList{j: j, dir: dir, folder: p.folder}, nil
}

func (j *jail) listRoot() (sftp.ListerAt, error) {
	var both several
	for _, folder := range []string{in, out} {
		info, err := j.root.Lstat(folder)
		if err != nil {
			return nil, told(err)
		}
		both = append(both, shown{info, folder})
	}
	return both, nil
}

// shown is what a client learns of a file: no owner, no inode.
type shown struct {
	fs.FileInfo
	name string
}

func (s shown) Name() string { return s.name }
func (s shown) Sys() any     { return nil }

type one struct{ info os.FileInfo }

func (o one) ListAt(infos []os.FileInfo, _ int64) (int, error) {
	infos[0] = o.info
	return 1, nil
}

type several []os.FileInfo

func (s several) ListAt(infos []os.FileInfo, off int64) (int, error) {
	if off >= int64(len(s)) {
		return 0, io.EOF
	}
	return copy(infos, s[off:]), nil
}

// A folderList reads a folder in the order of the requests, which is the only one
// there is in SFTP.
type folderList struct {
	j      *jail
	dir    *os.File
	folder string
}

func (l *folderList) ListAt(infos []os.FileInfo, _ int64) (int, error) {
	for {
		entries, err := l.dir.ReadDir(len(infos))
		n := 0
		for _, entry := range entries {
			if info, ok := l.show(entry.Name()); ok {
				infos[n] = info
				n++
			}
		}
		if n > 0 || err != nil {
			return n, told(err)
		}
	}
}

// show leaves out what the client could not name or open.
func (l *folderList) show(name string) (os.FileInfo, bool) {
	if channels.CheckName(name) != nil {
		return nil, false
	}
	info, err := l.j.root.Lstat(path.Join(l.folder, name))
	if err != nil || !info.Mode().IsRegular() {
		return nil, false
	}
	return shown{info, name}, true
}

func (l *folderList) Close() error {
	l.j.give()
	return l.dir.Close()
}
