// Package bench compares package edifact with its peers on one file: the
// omniparser module's reader of raw segments, and the npm package "edifact".
// It is a module of its own, so that the product does not depend on them.
//
//	make bench
//
// BenchmarkTable prints the table, the goals beside the figures; the others are
// its rows one by one. The npm peer needs node, and once "npm install" in
// bench/npm, which make does; without them its row is left out.
package bench
