// Package crypto puts a file in an envelope that only the partner can open and
// that tells who sealed it, and takes files out of such envelopes.
//
//	plain ── sign ── encrypt ──▶ sealed      Seal
//	plain ◀── verify ── decrypt ── sealed    OpenFile
//
// The form is the SECON profile of crypto/cms; whom to seal for and whom to
// believe is asked of crypto/keys. For partners with whom that was agreed there
// is OpenPGP in crypto/pgp, opened with the same care by OpenPGPFile.
//
//	partner, err := directory.ForIK("109910000", now)
//	sealed, err := crypto.Seal(dst, src, size, me, []*x509.Certificate{partner}, now)
//
//	opened, err := crypto.OpenFile("in/EKRH0001", src, crypto.OpenOptions{
//		Own: mine, Directory: directory, ReceivedAt: received,
//	})
//
// The terms: plain is what the hospital's system wrote or shall read, sealed is
// what travels; the signer is the certificate that verified, and its IKs are
// those of its organisational units.
//
// A partner who reads nothing better may be written to in the profile
// legacy-pkcs1 (SealAs), and files of old form may be taken from one signer
// (OpenOptions.Exceptions); both need an end date and never come about by
// themselves.
//
// What never happens: a plain file under its final name before the last byte
// was verified; a weaker algorithm because the strong one did not work; a file
// sealed with or for a certificate that is not valid at that moment. Whether
// the signer is entitled to speak for the sender is not decided here.
package crypto
