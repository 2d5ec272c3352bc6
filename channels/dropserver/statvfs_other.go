//go:build !linux

package dropserver

import (
	"errors"

	"github.com/pkg/sftp"
)

var errFloor = errors.New("too little room on the disk")

// room is asked on Linux only.
func (j *jail) room() error { return nil }

// StatVFS implements sftp.StatVFSFileCmder on Linux only.
func (j *jail) StatVFS(*sftp.Request) (*sftp.StatVFS, error) {
	return nil, told(errors.ErrUnsupported)
}
