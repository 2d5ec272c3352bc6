package pipeline

import (
	"context"
	"errors"
	"io"
	"os"

	"gateway301/exchange"
)

// copyOut writes a copy of the file as taken over into a folder that its route
// names, whole under its name. A second time it replaces the copy by the same.
func (p *Pipeline) copyOut(ctx context.Context, d exchange.Delivery, folder string) (err error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	plain, err := p.part(d, partPlain)
	if err != nil {
		return err
	}
	defer plain.Close()
	if err := writeSynced(root, temporaryName(d), func(w io.Writer) error {
		_, err := io.Copy(w, &interruptible{ctx, plain})
		return err
	}); err != nil {
		return err
	}
	if err := root.Rename(temporaryName(d), HandedName(d)); err != nil {
		return err
	}
	dir, err := root.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
