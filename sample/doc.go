// Package sample makes what a demonstration or a test needs and nobody may take
// from real life: invented files of § 301, an invented trust centre, and faults
// that can be ordered. It ships with the product, so that a newcomer can see the
// whole road without a partner.
//
//	err := sample.Write(f, sample.FileOptions{
//		Type: "AUFN", Sender: "260500005", Recipient: "109910000",
//		Reference: 7, Created: time.Now(), Messages: 3,
//	})
//
// # What is invented, and what is right
//
// Names, places, diagnoses and amounts are invented, and look it: people are
// called Mustermann or O'Beispiel and live in Musterstadt, 00000. The form is
// right: order and repetition of the segments, counts and references, check
// digits of IK and Krankenversichertennummer, the sum rule of a RECH, release
// characters, umlauts in ISO 8859-1. The tables behind it are reconstructed from
// public sources (versions 12 to 16 of the messages).
//
// The same options give the same bytes, on every machine.
//
// # What this package refuses to do
//
// It anonymises nothing: it never reads a file of anyone.
package sample
