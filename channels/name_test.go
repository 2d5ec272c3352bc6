package channels_test

import (
	"errors"
	"strings"
	"testing"

	"gateway301/channels"
)

func TestCheckName(t *testing.T) {
	good := []string{"EKRH0001", "EKRH0001.AUF", "Übergabe 7.txt", ".hidden", "..twodots", "-rf", strings.Repeat("a", 255)}
	for _, name := range good {
		if err := channels.CheckName(name); err != nil {
			t.Errorf("CheckName(%q) = %v, want nil", name, err)
		}
	}
	bad := []string{"", ".", "..", "a/b", `a\b`, "../x", "a\x00b", "a\nb", "a\x7f", "a\u0085b", "\xfcber", strings.Repeat("a", 256)}
	for _, name := range bad {
		if err := channels.CheckName(name); !errors.Is(err, channels.ErrName) {
			t.Errorf("CheckName(%q) = %v, want ErrName", name, err)
		}
	}
}

func TestTemporaryPath(t *testing.T) {
	tests := []struct {
		temporary channels.Temporary
		want      string
		used      bool
	}{
		{channels.Temporary{}, "EKRH0001.tmp", true},
		{channels.Temporary{Text: ".filepart"}, "EKRH0001.filepart", true},
		{channels.Temporary{Kind: channels.Prefix}, ".EKRH0001", true},
		{channels.Temporary{Kind: channels.Prefix, Text: "_"}, "_EKRH0001", true},
		{channels.Temporary{Kind: channels.Folder}, "tmp/EKRH0001", true},
		{channels.Temporary{Kind: channels.Folder, Text: "work"}, "work/EKRH0001", true},
		{channels.Temporary{Kind: channels.None}, "", false},
	}
	for _, test := range tests {
		got, used := test.temporary.Path("EKRH0001")
		if got != test.want || used != test.used {
			t.Errorf("%+v: Path = %q, %v, want %q, %v", test.temporary, got, used, test.want, test.used)
		}
		if err := test.temporary.Check("EKRH0001"); err != nil {
			t.Errorf("%+v: Check = %v, want nil", test.temporary, err)
		}
	}
}

func TestTemporaryCheckRefuses(t *testing.T) {
	tests := []struct {
		temporary channels.Temporary
		final     string
	}{
		{channels.Temporary{}, "../EKRH0001"},
		{channels.Temporary{}, strings.Repeat("a", 253)},
		{channels.Temporary{Text: "/../x"}, "EKRH0001"},
		{channels.Temporary{Text: "/x"}, "EKRH0001"},
		{channels.Temporary{Kind: channels.Folder, Text: ".."}, "EKRH0001"},
		{channels.Temporary{Kind: channels.Folder, Text: "a/b"}, "EKRH0001"},
		{channels.Temporary{Kind: channels.None}, "a/b"},
	}
	for _, test := range tests {
		err := test.temporary.Check(test.final)
		if !errors.Is(err, channels.ErrName) || !errors.Is(err, channels.ErrRefused) {
			t.Errorf("%+v: Check(%q) = %v, want ErrName and ErrRefused", test.temporary, test.final, err)
		}
	}
}
