// Package keys knows certificates by Institutionskennzeichen (IK): which one to
// seal for, and whose signature is to be believed at a given moment.
//
// Participants' certificates of the statutory insurers' trust centres
// (Anlage 16, chapter 4) name the institution and its IK in two organisational
// units:
//
//	C=DE, O=<trust centre>, OU=<institution>, OU=IK<9 digits>, CN=<contact>
//
// A [Directory] holds them together with the trust centres' CA certificates and
// the pinned roots:
//
//	d, err := keys.NewDirectory(roots, list, keys.Options{})
//	cert, err := d.ForIK("109910000", now)  // to seal for
//	err = d.VerifySigner(cert, nil, received)   // to believe what it signed
//
// Trust centres keep the name of a CA when they change its key, so every
// certificate with the right name is tried, not only the first.
//
// The terms: an Own is a certificate with its private key; a root is a CA
// certificate that is pinned byte for byte; a trust list is the trust centres'
// form of publication, base64 of DER in blocks divided by a blank line, without
// BEGIN and END.
//
// The package does not guess. A private key that others may read, an expired
// certificate, a short key or a chain that ends elsewhere is an error with the
// reason, never a warning. It asks no network and decides nothing about who may
// speak for whom.
package keys
