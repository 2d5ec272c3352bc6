package sftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strings"

	"github.com/pkg/sftp"

	"gateway301/channels"
)

// Status codes of later drafts (filexfer-13 section 9.1) that servers send in
// version 3 as well.
const (
	fxFileAlreadyExists = 11
	fxWriteProtect      = 12
	fxNoSpace           = 14
	fxQuotaExceeded     = 15
)

// code returns the SFTP status code in err, or 0.
func code(err error) uint32 {
	var status *sftp.StatusError
	if errors.As(err, &status) {
		return status.Code
	}
	return 0
}

// classify gives an error of a call its place among the errors of channels.
func (c *Channel) classify(ctx context.Context, l *line, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, channels.ErrUnknown) && ctx.Err() != nil:
		return fmt.Errorf("%w: %w", err, ctx.Err())
	case ctx.Err() != nil:
		return ctx.Err()
	case known(err):
		return err
	case errors.Is(l.why(), channels.ErrClosed):
		return fmt.Errorf("%w: %w", channels.ErrClosed, err)
	case lineFault(err):
		if why := l.why(); why != nil {
			return fmt.Errorf("%w: %w", channels.ErrLine, why)
		}
		return fmt.Errorf("%w: %w", channels.ErrLine, err)
	default:
		return statusFault(err)
	}
}

// known tells whether an error has its place already.
func known(err error) bool {
	for _, sentinel := range []error{
		channels.ErrRefused, channels.ErrExists, channels.ErrLine, channels.ErrUnknown, channels.ErrFull,
		channels.ErrSize, channels.ErrTooMany, channels.ErrLocal, channels.ErrClosed, channels.ErrLogin, channels.ErrHostKey, errCaller,
	} {
		if errors.Is(err, sentinel) {
			return true
		}
	}
	return false
}

// errCaller marks what BeforePublish returned.
var errCaller = errors.New("stopped before publication")

// lineFault tells whether err means that the connection is gone. io.EOF is what
// a write to a closed SSH channel returns; reads keep their own io.EOF to
// themselves.
func lineFault(err error) bool {
	var network net.Error
	return errors.Is(err, sftp.ErrSSHFxConnectionLost) ||
		code(err) == uint32(sftp.ErrSSHFxConnectionLost) ||
		code(err) == uint32(sftp.ErrSSHFxNoConnection) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || errors.As(err, &network)
}

// lost tells whether the line has failed, and not what else stood in an error's
// chain: a source or a caller may have connections of its own.
func lost(err error) bool {
	return lineFault(err) && (!known(err) || errors.Is(err, channels.ErrUnknown))
}

// statusFault reads what the server answered. SSH_FX_FAILURE says nothing of its
// cause unless the text does, so it stays a reason to try again.
func statusFault(err error) error {
	text := strings.ToLower(err.Error())
	switch at := code(err); {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, fs.ErrNotExist):
		return err
	case errors.Is(err, fs.ErrPermission), at == fxWriteProtect,
		at == uint32(sftp.ErrSSHFxOpUnsupported), at == uint32(sftp.ErrSSHFxBadMessage):
		return fmt.Errorf("%w: %w", channels.ErrRefused, err)
	case at == fxNoSpace, at == fxQuotaExceeded,
		at != 0 && (strings.Contains(text, "no space") || strings.Contains(text, "quota")):
		return fmt.Errorf("%w: %w", channels.ErrFull, err)
	}
	return err
}

// folderFault marks a folder that is not there: the settings are wrong, or the
// partner has moved. It is no empty listing.
func folderFault(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: the folder is not there", channels.ErrRefused)
	}
	return err
}
