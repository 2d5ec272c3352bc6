// Package crypto compares sealing and opening with OpenSSL, with the Go module
// that others use for CMS, and with the bare operations below.
//
//	go -C bench test -run '^$' -bench Table ./crypto
//
// BenchmarkTable prints all of it as one table of processor times and ratios,
// each taken in the same run, the best of several turns.
//
// Where the processor has SHA instructions, hashing is a small part of all and
// the ratios move: what reads and writes files or copies memory weighs more. To
// see the table of a processor without them, on amd64:
//
//	GODEBUG=cpu.sha=off OPENSSL_ia32cap=:~0x20000000 go -C bench test -run '^$' -bench Table ./crypto
package crypto
