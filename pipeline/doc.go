// Package pipeline walks deliveries along the road: it knows the order of the
// stations, what follows each outcome, and nothing of how a station works inside.
//
//	outbound  taken ─check,route→ routed ─seal→ sealed ─send→ delivered ─settle→ accepted …
//	answer    drafted ─write→ routed ─seal→ …
//	inbound   received ─open→ opened ─hand over→ accepted
//
// Each station is one file: check.go, write.go, seal.go, send.go, collect.go,
// open.go, handover.go, settle.go. A station reads the row, does its work so
// that doing it twice does no harm, and asks the ledger for one guarded move.
// The one thing that must not be done twice, publishing at the partner, is
// preceded by a recorded intent and, after any doubt, by looking.
//
// What a station says in a move's text goes to logs and to every operator: it
// names places, codes, IKs and hashes, never content or original file names.
package pipeline
