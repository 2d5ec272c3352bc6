// Package crypto compares sealing and opening with OpenSSL, with the Go module
// that others use for CMS, and with the bare operations below.
//
//	go -C bench test -run '^$' -bench . -benchtime 1x ./crypto
//
// BenchmarkTable prints all of it as one table of processor times and ratios,
// each taken in the same run, the best of several turns. Its first row is the
// limit: hashing, encrypting and copying the same bytes and nothing else.
//
// Where the processor has SHA instructions, hashing is a small part of all and
// the ratios move: what reads and writes files or copies memory weighs more,
// and AES-CBC, where each block waits for the one before, most of all. The table
// of a processor without them is then printed too, by the same program with
// GODEBUG=cpu.sha=off and, for OpenSSL, OPENSSL_ia32cap=:~0x20000000.
package crypto
