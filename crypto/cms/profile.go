package cms

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"

	"gateway301/crypto/internal/rsaalg"
)

// String names the profile as settings and reports do.
func (p Profile) String() string {
	if p == LegacyPKCS1 {
		return "legacy-pkcs1"
	}
	return "secon"
}

// signature is the AlgorithmIdentifier of the signature.
func (p Profile) signature() ([]byte, error) {
	if p == LegacyPKCS1 {
		return rsaalg.SHA256WithRSA(), nil
	}
	return rsaalg.PSS{Hash: crypto.SHA256, Salt: saltLength}.Identifier()
}

// transport is the AlgorithmIdentifier of the key transport.
func (p Profile) transport() ([]byte, error) {
	if p == LegacyPKCS1 {
		return rsaalg.RSAEncryption(), nil
	}
	return rsaalg.OAEP(crypto.SHA256)
}

func (p Profile) signerOpts() crypto.SignerOpts {
	if p == LegacyPKCS1 {
		return crypto.SHA256
	}
	return &rsa.PSSOptions{SaltLength: saltLength, Hash: crypto.SHA256}
}

func (p Profile) wrap(pub *rsa.PublicKey, key []byte) ([]byte, error) {
	if p == LegacyPKCS1 {
		//lint:ignore SA1019 older partners read nothing else, and only this profile writes it
		return rsa.EncryptPKCS1v15(rand.Reader, pub, key)
	}
	return rsa.EncryptOAEP(sha256.New(), rand.Reader, pub, key, nil)
}
