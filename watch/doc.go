// Package watch judges: is the night complete, and what is wrong at this moment.
// Both answers are worked out from the same [Facts], each time afresh; nothing is
// remembered here, so nothing can be forgotten.
//
//	ledger, disk, keys, clock ──→ Facts ──→ NightOf  complete, or what is missing
//	                                    └─→ Wrong    conditions for whoever is woken
//
// # Terms
//
//   - The night to a day is from noon the day before to noon of that day, or to
//     now. A file belongs to the night in which it was taken over.
//   - A night is complete when every file taken over in it has reached its partner
//     with proof, no older file is still waiting, nothing was rejected, held or
//     quarantined, and every partner was successfully asked for answers. Doubt
//     means no.
//   - A tally counts deliveries that are alike: same partner, direction and state.
//
// # What it refuses to do
//
// It opens nothing and asks nobody: whoever has ledger, disk and keys brings the
// facts.
package watch
