package sftp_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

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
	set.HostKeys = sftp.Pin(pins...)
	if _, _, err := open(t, set).List(t.Context(), channels.Incoming); err != nil {
		t.Error(err)
	}
}

func TestParseSigner(t *testing.T) {
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
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		pkcs8, err = x509.MarshalPKCS8PrivateKey(*private.(*ed25519.PrivateKey))
	}
	if err != nil {
		t.Fatal(err)
	}
	foreign := certify(t, channeltest.NewKey(t), channeltest.NewKey(t).Signer.PublicKey(), time.Hour, "")
	for what, test := range map[string]struct {
		key         []byte
		passphrase  string
		certificate []byte
		err         error
		says        string
	}{
		"OpenSSH":              {key: key.PEM},
		"PKCS #8":              {key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})},
		"encrypted":            {key: locked, passphrase: "secret"},
		"no passphrase":        {key: locked, err: sftp.ErrKey, says: "passphrase"},
		"wrong passphrase":     {key: locked, passphrase: "sicret", err: sftp.ErrKey},
		"no key":               {key: []byte("nonsense"), err: sftp.ErrKey},
		"certificate of other": {key: key.PEM, certificate: foreign, err: sftp.ErrCertificate},
		"no certificate":       {key: key.PEM, certificate: []byte(key.Line()), err: sftp.ErrCertificate},
	} {
		t.Run(what, func(t *testing.T) {
			signer, err := sftp.ParseSigner(test.key, []byte(test.passphrase), test.certificate)
			switch {
			case test.err == nil && (err != nil || string(signer.PublicKey().Marshal()) != string(key.Signer.PublicKey().Marshal())):
				t.Errorf("got %v, %v", signer, err)
			case test.err != nil && (!errors.Is(err, test.err) || !strings.Contains(err.Error(), test.says)):
				t.Errorf("got %v, want %v that says %q", err, test.err, test.says)
			}
		})
	}
}

// certify signs a user's certificate for a key.
func certify(t testing.TB, authority channeltest.Key, key ssh.PublicKey, validFor time.Duration, user string) []byte {
	t.Helper()
	c := &ssh.Certificate{
		Key: key, CertType: ssh.UserCert, KeyId: "ik260500005", ValidPrincipals: []string{user},
		ValidAfter:  uint64(time.Now().Add(-24 * time.Hour).Unix()),
		ValidBefore: uint64(time.Now().Add(validFor).Unix()),
	}
	if err := c.SignCert(rand.Reader, authority.Signer); err != nil {
		t.Fatal(err)
	}
	return ssh.MarshalAuthorizedKey(c)
}

func TestSettingsAreChecked(t *testing.T) {
	_, err := sftp.New(sftp.Settings{Host: sftp.Host{Address: "nowhere"}, MaxPacket: 1 << 20, Temporary: channels.Temporary{Text: "/"}})
	if !errors.Is(err, sftp.ErrSettings) {
		t.Fatalf("New = %v, want ErrSettings", err)
	}
	for _, fault := range []string{"host:port", "user", "nor password", "no host key", "packet", "temporary name"} {
		if !strings.Contains(err.Error(), fault) {
			t.Errorf("%q does not mention %q", err, fault)
		}
	}
}
