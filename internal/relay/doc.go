// Package relay is test gear: a TCP relay that is slow, breaks or falls silent on
// demand, so that a test can do to a connection what the night does.
//
//	client ──up──▶ relay ──up──▶ target
//	client ◀─down─ relay ◀─down─ target
//
// A latency or a bandwidth holds for all connections from the moment it is set. A
// cut counts the bytes of each connection from its start, lets exactly that many
// through and then resets both sides, as a line does that breaks in the middle of
// a packet.
package relay
