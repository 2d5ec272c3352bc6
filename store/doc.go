// Package store remembers deliveries. A [Ledger] lives in a SQLite file ([Open])
// or, for several nodes, in a PostgreSQL database ([OpenPostgres]); [Spool] keeps
// the bytes.
//
// The row is the job: its state says what comes next, its due time when. Every
// change goes through [Ledger.Apply] (or [Ledger.Begin], which also allots a
// transfer number): one transaction checks that the row is still in the state
// the caller believes, and under the lease, moves it by the table in package
// exchange, writes the event and sets what is due next. A move from another state
// changes nothing and returns [exchange.ErrMoved].
//
// A lease says which node works on a row ([Ledger.Claim]); a turn, which node
// does something of which there is one, such as sending to one partner
// ([Ledger.Turn]). Both end by themselves unless prolonged, by the clock of the
// database. Whoever has lost one changes nothing any more: moves name their holder.
//
// SQLite runs in WAL mode with synchronous=FULL and one writer, which commits
// what waits together, up to 64 moves at once. It is opened for writing by one
// process at a time; commands make single moves beside it. In PostgreSQL any
// number of processes may work at once: claims pass over locked rows, and every
// transaction tells the others that it is done ([Ledger.Watch]).
//
// Both keep to one suite, storetest. Queries are written once, in what both
// understand; migrations stand in a folder for each.
//
// The store knows nothing of § 301: names and creation times are made by
// functions that the caller hands in. They may be called more than once.
package store
