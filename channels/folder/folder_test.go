package folder_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"gateway301/channels"
	"gateway301/channels/channeltest"
	"gateway301/channels/folder"
)

func start(t *testing.T, s folder.Settings) *channeltest.Partner {
	t.Helper()
	dir := t.TempDir()
	s.OutDir, s.InDir = filepath.Join(dir, "in"), filepath.Join(dir, "out")
	for _, d := range []string{s.OutDir, s.InDir} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if s.Temporary.Kind == channels.Folder {
		if err := os.Mkdir(filepath.Join(s.OutDir, "tmp"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	c, err := folder.New(s)
	if err != nil {
		t.Fatal(err)
	}
	return &channeltest.Partner{Channel: c, OutDir: s.OutDir, InDir: s.InDir, Temporary: s.Temporary}
}

func TestConformance(t *testing.T) {
	channeltest.Run(t, func(t *testing.T) *channeltest.Partner { return start(t, folder.Settings{}) })
}

func TestConformanceOfKinds(t *testing.T) {
	for what, settings := range map[string]folder.Settings{
		"prefix":   {Temporary: channels.Temporary{Kind: channels.Prefix}, NoSync: true},
		"folder":   {Temporary: channels.Temporary{Kind: channels.Folder}},
		"in place": {Temporary: channels.Temporary{Kind: channels.None}, NoSync: true},
	} {
		t.Run(what, func(t *testing.T) {
			channeltest.RunPut(t, func(t *testing.T) *channeltest.Partner { return start(t, settings) })
		})
	}
}

func TestUnmountedShareIsALineFault(t *testing.T) {
	p := start(t, folder.Settings{})
	if _, _, err := p.Channel.List(t.Context(), channels.Incoming); err != nil {
		t.Fatal(err)
	}
	// What an unmount leaves: an empty folder of the same name.
	if err := os.Rename(p.InDir, p.InDir+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(p.InDir, 0o700); err != nil {
		t.Fatal(err)
	}
	if files, _, err := p.Channel.List(t.Context(), channels.Incoming); !errors.Is(err, channels.ErrLine) {
		t.Errorf("List = %v, %v, want ErrLine", files, err)
	}
}

func TestMarkerTellsTheRightMedium(t *testing.T) {
	p := start(t, folder.Settings{Marker: ".medium"})
	if _, _, err := p.Channel.List(t.Context(), channels.Incoming); !errors.Is(err, channels.ErrLine) {
		t.Errorf("without marker: List = %v, want ErrLine", err)
	}
	for _, dir := range []string{p.InDir, p.OutDir} {
		if err := os.WriteFile(filepath.Join(dir, ".medium"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files, _, err := p.Channel.List(t.Context(), channels.Incoming)
	if err != nil || len(files) != 0 {
		t.Errorf("with marker: List = %v, %v, want an empty listing", files, err)
	}
}

func TestLinksAreNotFollowed(t *testing.T) {
	p := start(t, folder.Settings{})
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	inside := filepath.Join(p.InDir, "inside")
	if err := os.WriteFile(inside, []byte("inside"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"out": secret, "in": "inside"} {
		if err := os.Symlink(target, filepath.Join(p.InDir, name)); err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		if _, err := p.Channel.Get(t.Context(), channels.Incoming, name, &got); !errors.Is(err, channels.ErrRefused) || got.Len() > 0 {
			t.Errorf("link %s: Get = %q, %v, want ErrRefused", name, got.Bytes(), err)
		}
	}
	// A link under the temporary name is cleared, not written through.
	if err := os.Symlink(secret, filepath.Join(p.OutDir, "EKRH0001.tmp")); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Channel.Put(t.Context(), "EKRH0001", bytes.NewReader([]byte("x")), 1, channels.PutOptions{}); err != nil {
		t.Error(err)
	}
	if got, err := os.ReadFile(secret); err != nil || string(got) != "secret" {
		t.Errorf("the file behind the link is now %q, %v", got, err)
	}
}

func TestFIFODoesNotHold(t *testing.T) {
	p := start(t, folder.Settings{})
	if err := syscall.Mkfifo(filepath.Join(p.InDir, "pipe"), 0o600); err != nil {
		channeltest.Missing(t, "no FIFOs here: "+err.Error())
	}
	if _, err := p.Channel.Get(t.Context(), channels.Incoming, "pipe", &bytes.Buffer{}); !errors.Is(err, channels.ErrRefused) {
		t.Errorf("Get = %v, want ErrRefused", err)
	}
}

func TestSettingsAreChecked(t *testing.T) {
	for _, s := range []folder.Settings{
		{}, {OutDir: "a"}, {InDir: "b"},
		{OutDir: "a", InDir: "b", Marker: "x/y"},
		{OutDir: "a", InDir: "b", Temporary: channels.Temporary{Kind: channels.Folder, Text: ".."}},
	} {
		if _, err := folder.New(s); !errors.Is(err, folder.ErrSettings) {
			t.Errorf("New(%+v) = %v, want ErrSettings", s, err)
		}
	}
}
