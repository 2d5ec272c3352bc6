//go:build !race

package pipeline_test

// every is explained where the race detector is on.
const every = 1
