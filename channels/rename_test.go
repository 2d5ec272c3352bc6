package channels

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// Both ways to publish replace nothing and leave one name.
func TestRenamesReplaceNothing(t *testing.T) {
	ways := map[string]func(*os.Root, string, string) error{
		"as offered":      RenameNoReplace,
		"rename":          renameNoReplace,
		"link and remove": linkAndRemove,
	}
	for what, rename := range ways {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			root, err := os.OpenRoot(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			for name, content := range map[string]string{"A.tmp": "ours", "B": "foreign"} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			err = rename(root, "A.tmp", "B")
			if errors.Is(err, errNoSuchRename) {
				t.Skip(err)
			}
			if !errors.Is(err, fs.ErrExist) {
				t.Errorf("onto a foreign file: %v, want fs.ErrExist", err)
			}
			if got, _ := os.ReadFile(filepath.Join(dir, "B")); string(got) != "foreign" {
				t.Errorf("the foreign file is now %q", got)
			}
			if err := rename(root, "A.tmp", "A"); err != nil {
				t.Error(err)
			}
			if got, _ := os.ReadFile(filepath.Join(dir, "A")); string(got) != "ours" {
				t.Errorf("our file is now %q", got)
			}
			if left, _ := os.ReadDir(dir); len(left) != 2 {
				t.Errorf("left: %v, want A and B", left)
			}
		})
	}
}
