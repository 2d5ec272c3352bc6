package sftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/pkg/sftp"

	"gateway301/channels"
)

// Get implements channels.Channel. It keeps at most 64 packets in memory.
func (c *Channel) Get(ctx context.Context, side channels.Side, name string, w io.Writer) (n int64, err error) {
	if err := channels.CheckName(name); err != nil {
		return 0, fmt.Errorf("get: %w: %w", channels.ErrRefused, err)
	}
	remote := c.settings.remote(side, name)
	err = c.call(ctx, func(ctx context.Context, l *line) error {
		n, err = c.fetch(ctx, l, remote, w)
		return err
	})
	if err != nil {
		return n, fmt.Errorf("get %s from %s folder: %w", name, side, err)
	}
	return n, nil
}

// fetch copies a remote plain file to w.
func (c *Channel) fetch(ctx context.Context, l *line, remote string, w io.Writer) (int64, error) {
	var info os.FileInfo
	var f *sftp.File
	var missing, denied error
	err := both(
		func() error { info, missing = l.client.Lstat(remote); return nil },
		func() error { f, denied = l.client.Open(remote); return nil })
	if err == nil {
		err = denied
	}
	if err != nil {
		return 0, err
	}
	n, err := c.fetchOpen(ctx, f, info, missing, w)
	return n, earliest(err, f.Close())
}

func (c *Channel) fetchOpen(ctx context.Context, f *sftp.File, info os.FileInfo, unseen error, w io.Writer) (int64, error) {
	switch {
	case unseen != nil && lineFault(unseen):
		return 0, unseen
	case unseen != nil:
		// The server opens what it does not let us look at: read until the end.
		return fetchSequentially(ctx, f, c.settings.MaxPacket, w)
	case !info.Mode().IsRegular():
		return 0, fmt.Errorf("%w: not a plain file", channels.ErrRefused)
	}
	return fetchSized(ctx, f, info.Size(), c.settings.MaxPacket, w)
}

func fetchSequentially(ctx context.Context, f *sftp.File, packet int, w io.Writer) (int64, error) {
	var n int64
	for b := make([]byte, packet); ; {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		got, err := f.ReadAt(b, n)
		if got > 0 {
			wrote, err := w.Write(b[:got])
			n += int64(wrote)
			if err != nil {
				return n, fmt.Errorf("%w: %w", channels.ErrLocal, err)
			}
		}
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, readFault(err)
		}
	}
}

// A chunk is one stretch of a file on its way in.
type chunk struct {
	off  int64
	b    []byte // what is wanted; after done, what has come
	err  error
	done chan struct{}
}

// read fills the chunk. A server may answer with less than was asked for;
// ReadAt asks for the rest.
func (k *chunk) read(f *sftp.File) {
	defer close(k.done)
	n, err := f.ReadAt(k.b, k.off)
	k.b = k.b[:n]
	if err != nil {
		k.err = readFault(err)
	}
}

// readFault keeps io.EOF, which means the end of the file here, from being taken
// for the end of the line.
func readFault(err error) error {
	if err == io.EOF {
		return fmt.Errorf("%w: the file ends early", channels.ErrSize)
	}
	return err
}

// fetchSized copies a file of known size. It asks for up to inFlight chunks ahead
// and writes them in order; one byte more is asked for after the end, to notice a
// file that is still growing.
//
//	asked for  ├──────┼──────┼──────┼──────┼──────┼─┤
//	written    ├──────┼──────┤      └ waiting in order of the file
func fetchSized(ctx context.Context, f *sftp.File, size int64, packet int, w io.Writer) (int64, error) {
	beyond := &chunk{off: size, b: make([]byte, 1), done: make(chan struct{})}
	go beyond.read(f)

	var coming []*chunk // asked for, in order
	var spare [][]byte
	var asked, n int64
	var fault error
	for fault == nil && n < size {
		for len(coming) < inFlight && asked < size {
			b := takeBuffer(&spare, packet)
			b = b[:min(int64(packet), size-asked)]
			k := &chunk{off: asked, b: b, done: make(chan struct{})}
			go k.read(f)
			coming = append(coming, k)
			asked += int64(len(b))
		}
		k := coming[0]
		coming = coming[1:]
		<-k.done
		if fault = k.err; fault == nil {
			fault = ctx.Err()
		}
		if fault == nil {
			wrote, err := w.Write(k.b)
			n += int64(wrote)
			if err != nil {
				fault = fmt.Errorf("%w: %w", channels.ErrLocal, err)
			}
		}
		spare = append(spare, k.b[:cap(k.b)])
	}
	for _, k := range coming {
		<-k.done
	}
	<-beyond.done
	switch {
	case fault != nil:
		return n, fault
	case len(beyond.b) > 0:
		return n, fmt.Errorf("%w: the file grew beyond %d bytes meanwhile", channels.ErrSize, size)
	case !errors.Is(beyond.err, channels.ErrSize):
		return n, beyond.err
	}
	return n, nil
}

func takeBuffer(spare *[][]byte, size int) []byte {
	if last := len(*spare) - 1; last >= 0 {
		b := (*spare)[last]
		*spare = (*spare)[:last]
		return b
	}
	return make([]byte, size)
}
