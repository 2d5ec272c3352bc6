package pgp

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// A Structure is what can be seen of a message without a key. Nothing of it is
// verified.
type Structure struct {
	Armoured   bool
	Recipients []RecipientID
	Passwords  int // the message opens with so many passwords, too
	// Integrity is the version of the Symmetrically Encrypted and Integrity
	// Protected Data packet, 1 or 2; 0 if the message has no such packet.
	Integrity int
	Signers   []uint64 // key IDs, of a message that is signed and not encrypted
	Size      int64    // bytes of the whole file
}

// A RecipientID names a recipient's subkey and the algorithm of the key.
type RecipientID struct {
	KeyID  uint64 // 0 if hidden
	Method string
}

// ErrNoMessage reports a file that is no OpenPGP message.
var ErrNoMessage = errors.New("pgp: not an OpenPGP message")

// Inspect tells what stands in front of the encrypted data and reads the file
// to its end. The signer is not seen, because it stands inside the encryption;
// only that of a message that is not encrypted is. Memory does not grow with
// the file.
func Inspect(src io.Reader) (*Structure, error) {
	in := &meter{r: src}
	r := bufio.NewReaderSize(in, chunk)
	s := &Structure{}
	body, armoured, err := unarmoured(r)
	if err != nil {
		return s, in.or(fmt.Errorf("%w: %w", ErrNoMessage, err))
	}
	s.Armoured = armoured
	err = s.read(packet.NewReader(body))
	if err == nil {
		_, err = io.Copy(io.Discard, r)
	}
	s.Size = in.n
	return s, in.or(err)
}

// read goes through the packets up to the data.
func (s *Structure) read(packets *packet.Reader) error {
	for {
		p, err := packets.Next()
		if err != nil {
			return fmt.Errorf("%w: %w", ErrNoMessage, err)
		}
		switch p := p.(type) {
		case *packet.EncryptedKey:
			s.Recipients = append(s.Recipients, RecipientID{p.KeyId, algorithmName(p.Algo)})
		case *packet.SymmetricKeyEncrypted:
			s.Passwords++
		case *packet.SymmetricallyEncrypted:
			if p.IntegrityProtected {
				s.Integrity = p.Version
			}
			return nil
		case *packet.AEADEncrypted:
			return nil
		case *packet.OnePassSignature:
			s.Signers = append(s.Signers, p.KeyId)
		case *packet.LiteralData:
			return nil
		case *packet.Compressed:
			return nil
		case *packet.Signature:
			if p.IssuerKeyId != nil {
				s.Signers = append(s.Signers, *p.IssuerKeyId)
			}
		default:
			return fmt.Errorf("%w: a packet of type %T", ErrNoMessage, p)
		}
		if len(s.Recipients)+s.Passwords+len(s.Signers) > maxMembers {
			return fmt.Errorf("%w: more than %d recipients or signers", ErrNoMessage, maxMembers)
		}
	}
}

// maxMembers is the most recipients and signers that Inspect lists.
const maxMembers = 64

func algorithmName(a packet.PublicKeyAlgorithm) string {
	switch a {
	case packet.PubKeyAlgoRSA, packet.PubKeyAlgoRSAEncryptOnly:
		return "RSA"
	case packet.PubKeyAlgoECDH:
		return "ECDH"
	case packet.PubKeyAlgoX25519:
		return "X25519"
	case packet.PubKeyAlgoX448:
		return "X448"
	case packet.PubKeyAlgoElGamal:
		return "ElGamal"
	}
	return fmt.Sprintf("algorithm %d", a)
}

// SealedFor reports whether one of the recipients of a message is the subkey for
// which would be encrypted at a moment. It reads the head of the message alone.
func SealedFor(src io.Reader, k Key, at time.Time) (bool, error) {
	e, err := k.copy()
	if err != nil {
		return false, err
	}
	sub, err := reader(e, at)
	if err != nil {
		return false, err
	}
	in := &meter{r: src}
	body, _, err := unarmoured(bufio.NewReader(in))
	if err != nil {
		return false, in.or(fmt.Errorf("%w: %w", ErrNoMessage, err))
	}
	s := &Structure{}
	if err := s.read(packet.NewReader(body)); err != nil {
		return false, in.or(err)
	}
	return slices.ContainsFunc(s.Recipients, func(r RecipientID) bool { return r.KeyID == sub.PublicKey.KeyId }), nil
}
