package pipeline

import (
	"errors"
	"io/fs"
	"syscall"
)

// localFault words a fault of our own machine without the path it happened at:
// paths can hold original file names.
func localFault(err error) string {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return "local fault: " + errno.Error()
	}
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return "local fault: " + path.Op + ": " + path.Err.Error()
	}
	return "local fault: " + err.Error()
}
