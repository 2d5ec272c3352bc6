package sftp

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/crypto/ssh"
)

// ErrKeyFile reports a private key file that is not used. The error says why.
var ErrKeyFile = errors.New("private key file")

// LoadSigner reads a private key in OpenSSH or PEM format (PKCS #1, PKCS #8,
// SEC 1), encrypted if a passphrase is given. A key that others than its owner
// can read is refused, and the error names the chmod that mends it. The one
// exception is mode 0440 of root and root's group: systemd hands a service its
// credentials that way, with an access list for the service's user.
func LoadSigner(name string, passphrase []byte) (ssh.Signer, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeyFile, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeyFile, err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: %s is not a plain file", ErrKeyFile, name)
	}
	if readableByOthers(info) {
		return nil, fmt.Errorf("%w: %s is readable by others (mode %04o): chmod 600 %s",
			ErrKeyFile, name, info.Mode().Perm(), name)
	}
	text, err := io.ReadAll(io.LimitReader(f, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeyFile, err)
	}
	signer, err := parseSigner(text, passphrase)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrKeyFile, name, err)
	}
	return signer, nil
}

func parseSigner(text, passphrase []byte) (ssh.Signer, error) {
	if len(passphrase) == 0 {
		return ssh.ParsePrivateKey(text)
	}
	return ssh.ParsePrivateKeyWithPassphrase(text, passphrase)
}

func readableByOthers(info os.FileInfo) bool {
	perm := info.Mode().Perm()
	owner, ok := info.Sys().(*syscall.Stat_t)
	if ok && owner.Uid == 0 && owner.Gid == 0 && perm == 0o440 {
		return false
	}
	return perm&0o077 != 0
}
