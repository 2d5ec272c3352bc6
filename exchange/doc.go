// Package exchange holds the nouns that every other room of the house uses, and
// the one table that says how a delivery may move. It imports nothing of ours
// and does nothing by itself.
//
// # Glossary
//
//   - An interchange is what stands between UNB and UNZ: the content of one file.
//   - A delivery is one file on its way: outbound from an outbox to one partner,
//     or inbound from a partner to a back end. Each has one row in the ledger.
//   - A partner is who we exchange files with directly: the next physical hop.
//   - A route says, for a recipient IK, a message type and TEST or ECHT, which
//     partner gets the file, for whom it is encrypted (encrypt-to) and which IK
//     stands as the next hop (send-to). The Kostenträger may be a third IK.
//   - The Auftragsdatei is the 348-byte companion in clear text; its arrival is
//     the commit signal for the payload beside it (GGT Anlage 1 and 2).
//   - The transfer name is VERFAHREN_KENNUNG + transfer number, "EKRH0001".
//   - A receipt is what a partner answered about one of our deliveries.
//   - An identity is one of our own IKs with its keys.
//   - An account is where a file comes in: an outbox of ours, or the folder or
//     login of a partner. The table of who speaks for whom hangs on it.
//
// # States
//
// States lists every state, Moves every allowed move. ARCHITECTURE.md shows the
// same table as a picture. A state belongs to exactly one [Class], so that the
// files taken over always add up.
package exchange
