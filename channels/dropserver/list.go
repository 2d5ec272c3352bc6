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
	p, err := j.account().locate(r.Filepath)
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
	p, err := j.account().locate(r.Filepath)
	if err != nil {
		return nil, told(err)
	}
	return j.stat(p)
}

func (j *jail) stat(p place) (sftp.ListerAt, error) {
	if u := j.uploadAt(p); u != nil {
		if info, err := u.f.Stat(); err == nil {
			return one{shown{info, p.name}}, nil
		} // closed in this moment
	}
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
	list := &folderList{j: j, dir: dir, folder: p.folder}
	if p.folder == j.account().In {
		list.growing = j.c.presence.names()
	}
	return list, nil
}

func (j *jail) listRoot() (sftp.ListerAt, error) {
	var both several
	for _, folder := range []string{j.account().In, j.account().Out} {
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
// there is in SFTP. What is being uploaded follows at the end.
type folderList struct {
	j       *jail
	dir     *os.File
	folder  string
	growing map[string]*upload // still to be shown
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
		if n == 0 && err == io.EOF {
			return l.rest(infos)
		}
		if n > 0 || err != nil {
			return n, told(err)
		}
	}
}

// rest shows the uploads whose names do not stand in the folder.
func (l *folderList) rest(infos []os.FileInfo) (n int, err error) {
	for name, u := range l.growing {
		if n == len(infos) {
			return n, nil
		}
		delete(l.growing, name)
		if info, err := u.f.Stat(); err == nil {
			infos[n] = shown{info, name}
			n++
		} else if info, err := l.j.root.Lstat(path.Join(l.folder, name)); err == nil { // closed since
			infos[n] = shown{info, name}
			n++
		}
	}
	if n > 0 {
		return n, nil
	}
	return 0, io.EOF
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
	if u := l.growing[name]; u != nil {
		delete(l.growing, name)
		if grown, err := u.f.Stat(); err == nil {
			info = grown
		}
	}
	return shown{info, name}, true
}

func (l *folderList) Close() error {
	l.j.give()
	return l.dir.Close()
}
