// Package crypto compares sealing and opening with OpenSSL, with the Go module
// that others use for CMS, and with the bare operations below.
//
//	go -C bench test -run '^$' -bench Table ./crypto
//
// BenchmarkTable prints all of it as one table of processor times and ratios,
// each taken in the same run, the best of several turns.
package crypto
