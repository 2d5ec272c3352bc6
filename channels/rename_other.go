//go:build !linux

package channels

import "os"

// renameNoReplace exists on Linux only.
func renameNoReplace(*os.Root, string, string) error { return errNoSuchRename }
