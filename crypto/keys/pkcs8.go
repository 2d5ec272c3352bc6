package keys

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"hash"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Contents octets of the object identifiers of PBES2 (RFC 8018, appendix A and B).
const (
	idPBES2     = "\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0d" // 1.2.840.113549.1.5.13
	idPBKDF2    = "\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0c" // 1.2.840.113549.1.5.12
	idHMACSHA1  = "\x2a\x86\x48\x86\xf7\x0d\x02\x07"     // 1.2.840.113549.2.7
	idHMACSHA2  = "\x2a\x86\x48\x86\xf7\x0d\x02\x09"     // 1.2.840.113549.2.9, SHA-256
	idHMACSHA3  = "\x2a\x86\x48\x86\xf7\x0d\x02\x0a"     // 1.2.840.113549.2.10, SHA-384
	idHMACSHA5  = "\x2a\x86\x48\x86\xf7\x0d\x02\x0b"     // 1.2.840.113549.2.11, SHA-512
	idAES128CBC = "\x60\x86\x48\x01\x65\x03\x04\x01\x02" // 2.16.840.1.101.3.4.1.2
	idAES192CBC = "\x60\x86\x48\x01\x65\x03\x04\x01\x16" // 2.16.840.1.101.3.4.1.22
	idAES256CBC = "\x60\x86\x48\x01\x65\x03\x04\x01\x2a" // 2.16.840.1.101.3.4.1.42
	derNull     = "\x05\x00"                             // the parameters of HMAC
	blockKey    = "PRIVATE KEY"                          // PKCS#8
	blockSealed = "ENCRYPTED PRIVATE KEY"                // PKCS#8 under a password
)

// Work factors of PBKDF2: what is written, and the most that is read. A key
// file is our own, but a slip of the pen must not keep us busy for hours.
const (
	iterations    = 600_000
	maxIterations = 10_000_000
	saltBytes     = 16
)

// decryptPKCS8 opens an EncryptedPrivateKeyInfo (RFC 5958, 3): PBES2 with
// PBKDF2 and AES-CBC, the form that OpenSSL writes by default since 1.1.
func decryptPKCS8(der []byte, password string) ([]byte, error) {
	s := cryptobyte.String(der)
	var body, algorithm, secret, oid, parameters cryptobyte.String
	if !s.ReadASN1(&body, asn1.SEQUENCE) || !s.Empty() ||
		!body.ReadASN1(&algorithm, asn1.SEQUENCE) || !body.ReadASN1(&secret, asn1.OCTET_STRING) ||
		!algorithm.ReadASN1(&oid, asn1.OBJECT_IDENTIFIER) {
		return nil, fmt.Errorf("%w: malformed EncryptedPrivateKeyInfo", ErrNoKey)
	}
	if string(oid) != idPBES2 || !algorithm.ReadASN1(&parameters, asn1.SEQUENCE) {
		return nil, fmt.Errorf("%w: only PBES2 is read; convert it with: openssl pkcs8 -topk8 -v2 aes-256-cbc", ErrEncrypted)
	}
	block, iv, err := pbes2(parameters, password)
	if err != nil {
		return nil, err
	}
	if len(secret) == 0 || len(secret)%aes.BlockSize != 0 {
		return nil, ErrPassword
	}
	plain := make([]byte, len(secret))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, secret)
	n := int(plain[len(plain)-1])
	if n == 0 || n > aes.BlockSize {
		return nil, ErrPassword
	}
	return plain[:len(plain)-n], nil
}

// pbes2 derives the key and makes the cipher.
func pbes2(parameters cryptobyte.String, password string) (cipher.Block, []byte, error) {
	unknown := fmt.Errorf("%w: only PBKDF2 with AES-CBC is read; convert it with: openssl pkcs8 -topk8 -v2 aes-256-cbc", ErrEncrypted)
	var kdf, scheme, oid, derivation, salt, iv cryptobyte.String
	var rounds int
	if !parameters.ReadASN1(&kdf, asn1.SEQUENCE) || !parameters.ReadASN1(&scheme, asn1.SEQUENCE) ||
		!kdf.ReadASN1(&oid, asn1.OBJECT_IDENTIFIER) || string(oid) != idPBKDF2 ||
		!kdf.ReadASN1(&derivation, asn1.SEQUENCE) ||
		!derivation.ReadASN1(&salt, asn1.OCTET_STRING) || !derivation.ReadASN1Integer(&rounds) ||
		!derivation.SkipOptionalASN1(asn1.INTEGER) {
		return nil, nil, unknown
	}
	if rounds < 1 || rounds > maxIterations {
		return nil, nil, fmt.Errorf("%w: %d rounds of PBKDF2", ErrEncrypted, rounds)
	}
	prf, ok := hmacHash(derivation)
	if !ok {
		return nil, nil, unknown
	}
	if !scheme.ReadASN1(&oid, asn1.OBJECT_IDENTIFIER) || !scheme.ReadASN1(&iv, asn1.OCTET_STRING) || len(iv) != aes.BlockSize {
		return nil, nil, unknown
	}
	size := map[string]int{idAES128CBC: 16, idAES192CBC: 24, idAES256CBC: 32}[string(oid)]
	if size == 0 {
		return nil, nil, unknown
	}
	key, err := pbkdf2.Key(prf, password, salt, rounds, size)
	if err != nil {
		return nil, nil, err
	}
	block, err := aes.NewCipher(key)
	return block, iv, err
}

// hmacHash reads the optional pseudorandom function, HMAC-SHA-1 by default.
func hmacHash(rest cryptobyte.String) (func() hash.Hash, bool) {
	if rest.Empty() {
		return sha1.New, true
	}
	var prf, oid cryptobyte.String
	if !rest.ReadASN1(&prf, asn1.SEQUENCE) || !rest.Empty() || !prf.ReadASN1(&oid, asn1.OBJECT_IDENTIFIER) {
		return nil, false
	}
	switch string(oid) {
	case idHMACSHA1:
		return sha1.New, true
	case idHMACSHA2:
		return sha256.New, true
	case idHMACSHA3:
		return sha512.New384, true
	case idHMACSHA5:
		return sha512.New, true
	}
	return nil, false
}

// MarshalKey writes a private key as PKCS#8 in PEM. With a password it is
// encrypted: PBES2, PBKDF2 with HMAC-SHA-256 and 600,000 rounds, AES-256-CBC.
// Either way the file belongs to its owner alone: mode 0600.
func MarshalKey(key *rsa.PrivateKey, password string) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	if password == "" {
		return pem.EncodeToMemory(&pem.Block{Type: blockKey, Bytes: der}), nil
	}
	random := make([]byte, saltBytes+aes.BlockSize)
	rand.Read(random)
	salt, iv := random[:saltBytes], random[saltBytes:]
	secret, err := pbkdf2.Key(sha256.New, password, salt, iterations, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, err
	}
	n := aes.BlockSize - len(der)%aes.BlockSize
	for range n {
		der = append(der, byte(n))
	}
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(der, der)
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			addID(b, idPBES2)
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
					addID(b, idPBKDF2)
					b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddASN1OctetString(salt)
						b.AddASN1Int64(iterations)
						b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
							addID(b, idHMACSHA2)
							b.AddBytes([]byte(derNull))
						})
					})
				})
				b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
					addID(b, idAES256CBC)
					b.AddASN1OctetString(iv)
				})
			})
		})
		b.AddASN1OctetString(der)
	})
	sealed, err := b.Bytes()
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: blockSealed, Bytes: sealed}), nil
}

func addID(b *cryptobyte.Builder, id string) {
	b.AddASN1(asn1.OBJECT_IDENTIFIER, func(b *cryptobyte.Builder) { b.AddBytes([]byte(id)) })
}
