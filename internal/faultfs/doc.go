// Package faultfs lets the n-th operation on a disk fail, for tests.
//
//	for n := 0; ; n++ {
//		f := faultfs.New(n, faultfs.Once, syscall.EIO)
//		work(f.Disk(real))       // some fault, well handled
//		if f.Failed() == "" {
//			break            // fewer than n operations: every one has failed once
//		}
//		work(real)               // nothing is lost, nothing is there twice
//	}
//
// A [Faults] counts the operations of everything that it wraps: a disk, the
// files opened on it, and whatever else a test passes through [Faults.Do], such
// as a fake ledger's commit. It is safe for concurrent use, though which
// operation is the n-th is then up to chance.
package faultfs
