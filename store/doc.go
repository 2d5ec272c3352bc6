// Package store remembers deliveries. [Ledger] is the embedded SQLite ledger;
// [Spool] keeps the bytes.
//
// The row is the job: its state says what comes next, its due time when. Every
// change goes through [Ledger.Apply] (or [Ledger.Begin], which also allots a
// transfer number): one transaction checks that the row is still in the state
// the caller believes, moves it by the table in package exchange, writes the
// event and sets what is due next. A move from another state changes nothing
// and returns [exchange.ErrMoved].
//
// SQLite runs in WAL mode with synchronous=FULL and one writing connection. A
// ledger is opened for writing by one process at a time; readers (the queue
// commands) are always welcome.
//
// The store knows nothing of § 301: names and creation times are made by
// functions that the caller hands in.
package store
