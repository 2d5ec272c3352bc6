// Package storetest is the conformance suite of ledgers: [Run] puts one through
// everything that the pipeline relies on, whatever database it lives in. [SQLite]
// and [Postgres] make ledgers for tests; packages that use [Postgres] let [Main]
// run their tests, so that the one server that it starts ends with them.
package storetest
