// Package schedule computes when something may happen: the windows in which a
// partner takes files, the waiting times between attempts, and the creation
// time that an Auftragsdatei may carry. Every function is a pure function of a
// given now; nothing here reads a clock, sleeps or starts anything.
//
//	w, err := schedule.ParseWindow("mon-fri 22:00-05:00", "sat,sun 00:00-24:00")
//	if !w.Open(now, berlin) {
//		wait(w.NextOpen(now, berlin))
//	}
//
// # Terms
//
//   - A window is a set of spans of local time. A span belongs to the day on
//     which it starts: "fri 22:00-05:00" ends on Saturday morning.
//   - A reading is what a wall clock shows. Twice a year readings and instants
//     part company: in spring an hour of readings does not exist (the gap), in
//     autumn an hour of readings comes twice (the repeated hour).
//
// # Clock changes
//
// One rule turns a reading into an instant, for windows and stamps alike:
//
//	gap            01:59:59 │ 03:00:00      02:30 means the end of the gap
//	repeated hour  02:00 … 02:59:59 │ 02:00 … 02:59:59 │ 03:00
//	               ^ first pass       ^ second pass
//	               02:30 means its first pass
//
// So a span that starts in the gap starts at the gap's end; a span that lies
// wholly in the gap is moved there and keeps its length, because a night without
// any window would be a night lost. In the repeated hour a span opens once and
// closes once. Spans that touch on an ordinary day touch on these days too.
//
// Locations are passed in, and time zone data must be at hand; embedding them is
// the program's business.
//
// The package keeps no list of runs and knows no cron expressions: what is due is
// a row of the ledger.
package schedule
