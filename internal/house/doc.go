// Package house holds the import table of the repository in a test, so that
// the arrows between the folders keep pointing inward.
//
//	intake ─→ edifact + annex ─→ crypto ─→ channels ─→ acks   the road
//	                   pipeline                         walks a delivery along the road
//	                   exchange                         the nouns everyone shares
//	  config      store      schedule      web          beside the road
//	                 cmd/gateway                        joins it all
//
// The test names file, line and import of whoever breaks the table. It also
// asks that every folder with Go files is in the table and has a doc.go with a
// package comment, that only web serves HTTP or knows Prometheus, and that the
// test gear under internal/ reaches no program.
//
// Test files may import more than their folder: the test gear (internal/*),
// the conformance suites (a folder X/Xtest, such as channels/channeltest),
// sample with its invented files and keys, and what the table grants tests
// of that folder besides. A conformance suite may import what its family may,
// the family's contract and the test gear, and is itself imported by tests only.
//
// The package judges imports alone; it neither builds nor formats anything.
// A changed row is a commit of its own that says why.
package house
