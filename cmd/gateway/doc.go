// Command gateway is Gateway 301: a batch file-exchange gateway for the German
// hospital data exchange under § 301 SGB V. This folder joins the rooms of the
// house and holds no rules of its own: flags, wiring, signals, exit codes.
//
// Exit codes: 0 done, 1 failed, 2 usage, 3 configuration invalid, 4 not found,
// 5 service not reachable,
// 6 partly done (run --once: something became held or rejected), 7 checked with
// findings, 9 locked.
package main
