package pgp

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"gateway301/crypto/keys"
)

// MinRSABits is the least length of an RSA key.
const MinRSABits = 3072

// maxKeyFile bounds what is read as keys.
const maxKeyFile = 16 << 20

// A Key is an OpenPGP key with its subkeys, public or private. It does not
// change and may be used by several goroutines.
type Key struct {
	entity *openpgp.Entity
}

// ReadKeys reads a file in one of the forms of ParseKeys. A private key that its
// group or others may read or write is a *keys.ModeError.
func ReadKeys(path, password string) ([]Key, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return nil, err
	}
	found, err := ParseKeys(b, password)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if slices.ContainsFunc(found, Key.Private) {
		if err := keys.CheckMode(f); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// ParseKeys reads public or private keys, binary or in ASCII armour. Private
// keys that are locked are opened with the password; where it does not fit, or
// is empty and needed, the error is ErrPassword. A key of another version than
// 4 is ErrKey.
func ParseKeys(b []byte, password string) ([]Key, error) {
	if len(b) > maxKeyFile {
		return nil, fmt.Errorf("%w: larger than %d bytes", ErrNoKey, maxKeyFile)
	}
	list, err := readKeyRing(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoKey, err)
	}
	found := make([]Key, 0, len(list))
	for _, e := range list {
		if e.PrimaryKey.Version != 4 {
			return nil, fmt.Errorf("%w: %s is of version %d, not 4", ErrKey, fingerprint(e), e.PrimaryKey.Version)
		}
		if err := unlock(e, password); err != nil {
			return nil, err
		}
		found = append(found, Key{e})
	}
	if len(found) == 0 {
		return nil, ErrNoKey
	}
	return found, nil
}

// readKeyRing takes one or more armoured blocks, or a binary ring.
func readKeyRing(b []byte) (openpgp.EntityList, error) {
	if !bytes.HasPrefix(bytes.TrimLeft(b, " \t\r\n"), []byte("-----BEGIN PGP")) {
		return openpgp.ReadKeyRing(bytes.NewReader(b))
	}
	var all openpgp.EntityList
	// armor.Decode reads on with this very buffer, so that no block is lost.
	for r := bufio.NewReader(bytes.NewReader(b)); ; {
		block, err := armor.Decode(r)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		list, err := openpgp.ReadKeyRing(block.Body)
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
}

func unlock(e *openpgp.Entity, password string) error {
	locked := func(k *packet.PrivateKey) bool { return k != nil && !k.Dummy() && k.Encrypted }
	open := func(k *packet.PrivateKey) error {
		if !locked(k) {
			return nil
		}
		if password == "" || k.Decrypt([]byte(password)) != nil {
			return fmt.Errorf("%w: %s", ErrPassword, fingerprint(e))
		}
		return nil
	}
	if err := open(e.PrivateKey); err != nil {
		return err
	}
	for _, sub := range e.Subkeys {
		if err := open(sub.PrivateKey); err != nil {
			return err
		}
	}
	return nil
}

// Fingerprint is that of the primary key, in capital hexadecimal digits.
func (k Key) Fingerprint() string { return fingerprint(k.entity) }

func fingerprint(e *openpgp.Entity) string {
	return strings.ToUpper(hex.EncodeToString(e.PrimaryKey.Fingerprint))
}

// UserIDs are the names that the owner gave the key, in alphabetical order.
// Nobody else vouches for them.
func (k Key) UserIDs() []string { return slices.Sorted(maps.Keys(k.entity.Identities)) }

// Private reports whether the key can sign or decrypt.
func (k Key) Private() bool {
	return k.entity.PrivateKey != nil || slices.ContainsFunc(k.entity.Subkeys, func(s openpgp.Subkey) bool { return s.PrivateKey != nil })
}

// Created is when the primary key was made.
func (k Key) Created() time.Time { return k.entity.PrimaryKey.CreationTime }

// TakesSEIPDv2 reports whether the key says that its owner reads version 2 of
// the integrity protected packet. Programs differ in what they promise and what
// they keep, so that this is not enough to write it; see Recipient.
func (k Key) TakesSEIPDv2(at time.Time) bool {
	e, err := k.copy()
	if err != nil {
		return false
	}
	s, err := e.PrimarySelfSignature(at, config(at))
	return err == nil && s.SEIPDv2
}

// CanSign says whether the key may sign at a moment.
func (k Key) CanSign(at time.Time) error {
	e, err := k.copy()
	if err != nil {
		return err
	}
	return checkSigner(e, at)
}

// CanRead says whether may be encrypted for the key at a moment.
func (k Key) CanRead(at time.Time) error {
	e, err := k.copy()
	if err != nil {
		return err
	}
	_, err = reader(e, at)
	return err
}

// reader returns the subkey that is encrypted for.
func reader(e *openpgp.Entity, at time.Time) (openpgp.Key, error) {
	sub, err := e.EncryptionKeyWithError(at, config(at))
	if err != nil {
		return sub, fmt.Errorf("%w: recipient %s: %w", ErrKey, fingerprint(e), err)
	}
	return sub, nil
}

// NotAfter is when the key ends, or the subkey that is used at that moment for
// signing (private) or for encrypting (public); zero if they never do.
func (k Key) NotAfter(at time.Time) time.Time {
	e, err := k.copy()
	if err != nil {
		return time.Time{}
	}
	var ends []time.Time
	end := func(p *packet.PublicKey, s *packet.Signature) {
		if p != nil && s != nil && s.KeyLifetimeSecs != nil && *s.KeyLifetimeSecs > 0 {
			ends = append(ends, p.CreationTime.Add(time.Duration(*s.KeyLifetimeSecs)*time.Second).UTC())
		}
	}
	if self, err := e.PrimarySelfSignature(time.Time{}, config(at)); err == nil {
		end(e.PrimaryKey, self)
	}
	sub, ok := e.EncryptionKey(at, config(at))
	if k.Private() {
		sub, ok = e.SigningKey(at, config(at))
	}
	if ok && sub.PublicKey != e.PrimaryKey {
		end(sub.PublicKey, sub.SelfSignature)
	}
	if len(ends) == 0 {
		return time.Time{}
	}
	return slices.MinFunc(ends, time.Time.Compare)
}

// checkSigner says whether e can sign at a moment.
func checkSigner(e *openpgp.Entity, at time.Time) error {
	s, ok := e.SigningKey(at, config(at))
	if !ok || s.PrivateKey == nil {
		return fmt.Errorf("%w: %s cannot sign", ErrKey, fingerprint(e))
	}
	return nil
}

// copy makes an entity for one use: the library keeps in it what it has found
// out about signatures, which several goroutines must not do at once.
func (k Key) copy() (*openpgp.Entity, error) {
	var b bytes.Buffer
	var err error
	if k.entity.PrivateKey != nil {
		err = k.entity.SerializePrivateWithoutSigning(&b, nil)
	} else {
		err = k.entity.Serialize(&b)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrKey, k.Fingerprint(), err)
	}
	return openpgp.ReadEntity(packet.NewReader(&b))
}

// config is how messages are written and judged at a moment.
func config(at time.Time) *packet.Config {
	return &packet.Config{
		DefaultHash:            digest,
		DefaultCipher:          packet.CipherAES256,
		DefaultCompressionAlgo: packet.CompressionNone,
		MinRSABits:             MinRSABits,
		Time:                   func() time.Time { return at },
	}
}
