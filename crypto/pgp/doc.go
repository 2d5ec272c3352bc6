// Package pgp seals and opens files with OpenPGP (RFC 4880 and RFC 9580) for
// partners with whom that was agreed bilaterally; SECON does not know it.
//
//	sealed, err := pgp.Seal(dst, src, pgp.SealOptions{Signer: me, Recipients: them, At: now})
//	message, err := pgp.Open(dst, src, pgp.OpenOptions{Own: mine, Signers: them, ReceivedAt: received})
//
// The form is one binary message, signed and then encrypted:
//
//	Public-Key Encrypted Session Key …   one for each recipient
//	Symmetrically Encrypted and Integrity Protected Data   version 1, AES-256
//	╎ decrypted:
//	├─ One-Pass Signature
//	├─ Literal Data                      binary, no file name, no date
//	└─ Signature                         SHA-256 or SHA-512
//
// Version 2 of the integrity protected packet, which GnuPG 2.2 cannot read, is
// written only for a recipient whose settings say that it can. Keys are of
// version 4, RSA of 3072 bits at least or elliptic curves.
//
// What Open has written to dst is worth nothing until Open has returned without
// an error: signature and integrity are known at the end. A message that is not
// signed, or by somebody who is not among the signers, is not opened. The
// package asks no key server and no web of trust: whom to believe is given.
package pgp
