package folder_test

import (
	"bytes"
	"errors"
	"os"
	"syscall"
	"testing"

	"gateway301/channels"
	"gateway301/channels/channeltest"
	"gateway301/channels/folder"
)

func TestFullDisk(t *testing.T) {
	p := start(t, folder.Settings{})
	if err := syscall.Mount("tmpfs", p.OutDir, "tmpfs", 0, "size=256k"); err != nil {
		channeltest.Missing(t, "mounting a small tmpfs needs root: "+err.Error())
	}
	t.Cleanup(func() { syscall.Unmount(p.OutDir, syscall.MNT_DETACH) })
	content := channeltest.Content(1, 1<<20)
	_, err := p.Channel.Put(t.Context(), "EKRH0001", bytes.NewReader(content), int64(len(content)), channels.PutOptions{})
	if !errors.Is(err, channels.ErrFull) {
		t.Errorf("Put = %v, want ErrFull", err)
	}
	if left, err := os.ReadDir(p.OutDir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if _, err := p.Channel.Put(t.Context(), "EKRH0001", bytes.NewReader(content), 1000, channels.PutOptions{}); err != nil {
		t.Errorf("a small file after it: %v", err)
	}
}
