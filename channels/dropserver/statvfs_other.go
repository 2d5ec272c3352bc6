//go:build !linux

package dropserver

import (
	"errors"

	"github.com/pkg/sftp"
)

// StatVFS implements sftp.StatVFSFileCmder on Linux only.
func (j *jail) StatVFS(*sftp.Request) (*sftp.StatVFS, error) {
	return nil, told(errors.ErrUnsupported)
}
