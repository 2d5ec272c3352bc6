// Package alert wakes somebody when something needs a person, once for each
// thing that is wrong and again until somebody says that it is seen.
//
//	conditions ──Bell.Look──→ alarms (rows, one for each thing that is wrong)
//	 what is wrong now           │
//	 (worked out afresh          ├─→ command   stdin: the text, no shell
//	  by the caller)             └─→ mail      SMTP, STARTTLS
//
// # Terms
//
//   - A condition is something that is wrong at this moment: so many deliveries
//     held at a partner, a collector that had no success for so long. It is worked
//     out from the ledger each time, so no crash can lose one.
//   - An alarm is the memory of a condition: since when, how much of it was told to
//     whom, and who has acknowledged it. Its key is the condition's kind and
//     subject, so that the same thing wrong twice is one alarm.
//   - A sender carries a message to people. What one sender could not deliver is
//     tried again with that sender; the others have told it already.
//
// # When something is told
//
// A new alarm is told at the next look. It is told again when it gets worse (more
// deliveries, fewer days), and every [Bell.Resend] until it is acknowledged; an
// acknowledged alarm is silent until it gets worse. When its condition is gone, that is told once,
// and the alarm is over: should the condition come back, it is a new one.
//
// Sending comes before remembering: after a crash between the two a message may
// come twice, and is never missing.
//
// # What it refuses to do
//
// It judges nothing: the caller says what is wrong. A message has kinds, counts,
// times, and names of partners and folders; there is no place in it for a file
// name, a case or anything else out of a file.
package alert
