//go:build !linux

package folder

import "os"

// renameNoReplace exists on Linux only.
func renameNoReplace(*os.Root, string, string) error { return errNoSuchRename }
