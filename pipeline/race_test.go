//go:build race

package pipeline_test

// Of the runs that differ in nothing but the place of one fault, one in so many
// is made. With the race detector SQLite takes ten times
// as long, and what it looks for does not hang on that point: it gets a sample,
// go test without it gets them all.
const every = 5
