// Package cms seals and opens the one form of Cryptographic Message Syntax
// (RFC 5652) that the German statutory insurers' security interface (SECON,
// Gemeinsame Grundsätze Technik, Anlage 16) asks for: signed first, then
// encrypted.
//
//	ContentInfo  id-envelopedData
//	└─ EnvelopedData  version 0
//	   ├─ KeyTransRecipientInfo …     version 0, issuer and serial, RSAES-OAEP SHA-256
//	   └─ EncryptedContentInfo        id-data, AES-256-CBC, 16 bytes of random IV
//	      ╎ decrypted:
//	      └─ ContentInfo  id-signedData
//	         └─ SignedData  version 1
//	            ├─ digestAlgorithms   SHA-256
//	            ├─ eContent           id-data: the file
//	            ├─ certificates       the signer's
//	            └─ SignerInfo         version 1, issuer and serial
//	               ├─ signedAttrs     contentType, signingTime, messageDigest
//	               └─ signature       RSASSA-PSS, SHA-256, MGF1-SHA-256, salt 32
//
// [Seal] writes it in one pass. With a known size everything but the file is
// of fixed length, so the result is DER; without one it is BER of indefinite
// length. [Open] reads both, however finely the octet strings are chopped up
// and nested. Neither keeps more than a few blocks of the file in memory.
//
//	sealed, err := cms.Seal(dst, src, size, cms.SealOptions{Signer: me, Recipients: them, SigningTime: now})
//	message, err := cms.Open(dst, src, cms.OpenOptions{Keys: mine})
//
// AES-CBC protects nothing against change: what Open has written to dst is
// worth nothing until Open has returned without an error. Keep it where no one
// reads it until then.
//
// The package judges the form and the signature, not the people: it does not
// ask whether a certificate is valid, trusted or entitled to anything. It
// reads no other content types, writes no weaker algorithms, and has no
// setting that turns a check into a warning.
package cms
