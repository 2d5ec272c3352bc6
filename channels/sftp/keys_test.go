package sftp_test

import (
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"gateway301/channels"
	"gateway301/channels/channeltest"
	"gateway301/channels/sftp"
)

func TestParseHostKeys(t *testing.T) {
	a, b, c := channeltest.NewKey(t).Line(), channeltest.NewKey(t).Line(), channeltest.NewKey(t).Line()
	hashed := knownhosts.HashHostname("[sftp.partner.example]:2222")
	const address = "sftp.partner.example:2222"
	for what, test := range map[string]struct {
		text    string
		address string
		want    []string
		err     error
	}{
		"plain keys":           {"# ours\n\n" + a + " comment\n" + b, address, []string{a, b}, nil},
		"host and port":        {"[sftp.partner.example]:2222 " + a + "\nsftp.partner.example " + b, address, []string{a}, nil},
		"port 22 is bare":      {"[sftp.partner.example]:2222 " + a + "\nSFTP.partner.example " + b, "sftp.partner.example:22", []string{b}, nil},
		"list and pattern":     {"x,[*.partner.example]:2222 " + a, address, []string{a}, nil},
		"negated":              {"[*.partner.example]:2222,![sftp.partner.example]:2222 " + a + "\n" + b, address, []string{b}, nil},
		"hashed":               {hashed + " " + a + "\n" + knownhosts.HashHostname("other") + " " + b, address, []string{a}, nil},
		"brackets are literal": {"s[f]tp.partner.example " + a, "sftp.partner.example:22", nil, sftp.ErrNoHostKey},
		"revoked":              {a + "\n" + b + "\n@revoked * " + a, address, []string{b}, nil},
		"authority":            {"@cert-authority * " + a, address, nil, sftp.ErrBadHostKey},
		"other hosts only":     {"other " + c, address, nil, sftp.ErrNoHostKey},
		"nothing":              {"", address, nil, sftp.ErrNoHostKey},
		"garbage":              {a + "\nssh-ed25519 AAAAnonsense", address, nil, sftp.ErrBadHostKey},
	} {
		t.Run(what, func(t *testing.T) {
			keys, err := sftp.ParseHostKeys([]byte(test.text), test.address)
			var got []string
			for _, k := range keys {
				got = append(got, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k))))
			}
			if !errors.Is(err, test.err) || !slices.Equal(got, test.want) {
				t.Errorf("got %q, %v, want %q, %v", got, err, test.want, test.err)
			}
			if what == "garbage" && !strings.HasPrefix(err.Error(), "line 2:") {
				t.Errorf("%v does not name the line", err)
			}
		})
	}
}

func TestKnownHostsOfOpenSSH(t *testing.T) {
	server := channeltest.StartSSHD(t)
	pins, err := sftp.ParseHostKeys(server.KnownHosts(), server.Address)
	if err != nil || len(pins) != 2 {
		t.Fatalf("got %d keys, %v, want 2", len(pins), err)
	}
	set := settings(server)
	set.HostKeys = pins
	if _, _, err := open(t, set).List(t.Context(), channels.Incoming); err != nil {
		t.Error(err)
	}
}

func TestLoadSigner(t *testing.T) {
	t.Parallel()
	key := channeltest.NewKey(t)
	private, err := ssh.ParseRawPrivateKey(key.PEM)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	locked := pem.EncodeToMemory(block)
	for what, test := range map[string]struct {
		content    []byte
		mode       os.FileMode
		passphrase string
		ok         bool
		says       string
	}{
		"private":       {key.PEM, 0o600, "", true, ""},
		"read only":     {key.PEM, 0o400, "", true, ""},
		"encrypted":     {locked, 0o600, "secret", true, ""},
		"no passphrase": {locked, 0o600, "", false, "passphrase"},
		"group":         {key.PEM, 0o640, "", false, "chmod 600"},
		"world":         {key.PEM, 0o604, "", false, "chmod 600"},
		"no key":        {[]byte("nonsense"), 0o600, "", false, ""},
	} {
		t.Run(what, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "id")
			if err := os.WriteFile(file, test.content, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(file, test.mode); err != nil {
				t.Fatal(err)
			}
			signer, err := sftp.LoadSigner(file, []byte(test.passphrase))
			if test.ok {
				if err != nil || string(signer.PublicKey().Marshal()) != string(key.Signer.PublicKey().Marshal()) {
					t.Errorf("got %v, %v", signer, err)
				}
				return
			}
			if !errors.Is(err, sftp.ErrKeyFile) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, want ErrKeyFile that says %q", err, test.says)
			}
		})
	}
	if _, err := sftp.LoadSigner(t.TempDir(), nil); !errors.Is(err, sftp.ErrKeyFile) {
		t.Errorf("a folder: %v, want ErrKeyFile", err)
	}
}

func TestSettingsAreChecked(t *testing.T) {
	_, err := sftp.New(sftp.Settings{Address: "nowhere", MaxPacket: 1 << 20, Temporary: channels.Temporary{Text: "/"}})
	if !errors.Is(err, sftp.ErrSettings) {
		t.Fatalf("New = %v, want ErrSettings", err)
	}
	for _, fault := range []string{"host:port", "user", "key nor password", "no host key", "packet", "temporary name"} {
		if !strings.Contains(err.Error(), fault) {
			t.Errorf("%q does not mention %q", err, fault)
		}
	}
}
