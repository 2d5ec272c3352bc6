package annex

import (
	"bytes"
	"context"
	"testing"
	"testing/iotest"
)

// Whatever the bytes are, a check ends, counts what it finds and says the same
// however they arrive.
func FuzzContent(f *testing.F) {
	o := thorough(f)
	o.Keep, o.Procedure = 50, procedure(f, "krh")
	before := joined(common()...)
	for _, c := range append(findingCases(f), contentCases(f)...) {
		in, _ := unmark(f, c.in)
		f.Add([]byte(in))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		rep, err := Check(context.Background(), bytes.NewReader(in), o)
		if err != nil {
			t.Fatal(err)
		}
		if len(rep.Findings) > o.Keep || rep.Errors+rep.Warnings < len(rep.Findings) {
			t.Fatalf("%d findings, %d errors, %d warnings", len(rep.Findings), rep.Errors, rep.Warnings)
		}
		if (rep.Errors == 0) != (rep.Verdict == Accepted) {
			t.Fatalf("%s with %d errors", rep.Verdict, rep.Errors)
		}
		for i, s := range rep.Stages {
			if n := s.Passed + s.Failed + s.NotChecked; n != rep.Messages {
				t.Fatalf("stage %d judged %d of %d messages", i+1, n, rep.Messages)
			}
		}
		for _, f := range rep.Findings {
			if f.Offset < 0 || f.Offset > int64(len(in)) || f.Text == "" && f.Severity == Error {
				t.Fatalf("%+v", f)
			}
		}
		if n := bytes.Index(in, []byte("UNH")); n >= 0 { // behind good messages, with and without what they leave behind
			long := append(bytes.TrimSuffix([]byte(before), []byte("UNZ+21+00007'")), in[n:]...)
			rep, err := Check(context.Background(), bytes.NewReader(long), o)
			want, err2 := measured(bytes.NewReader(long), o)
			if d := differ(rep, want); err != nil || err2 != nil || d != "" {
				t.Fatal(d, err, err2)
			}
		}
		slow, err := Check(context.Background(), iotest.HalfReader(bytes.NewReader(in)), o)
		if err != nil || slow.Errors != rep.Errors || slow.Warnings != rep.Warnings {
			t.Fatalf("%d and %d findings, %v", rep.Errors+rep.Warnings, slow.Errors+slow.Warnings, err)
		}
	})
}
