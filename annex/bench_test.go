package annex

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"gateway301/edifact"
)

// benchFile is a valid file of about 8 MB: many messages of a common length.
func benchFile() string {
	const messages = 20000
	var b strings.Builder
	b.WriteString(goodUNB)
	for n := 1; n <= messages; n++ {
		b.WriteString(message(n, "INV+A123456780+1+00+00+2712+F-00007-00001'NAD+Mustermann+Erika+w+19700101+Musterweg 1+00000+Musterstadt'"+
			"DPV+2026+2026'AUF+20261120+1120+0101+0100+20261124'EAD+M50.8'"+strings.Repeat("ENT+74000000+123,45+20261120+20261124+4'", 5)))
	}
	fmt.Fprintf(&b, "UNZ+%d+00007'", messages)
	return b.String()
}

// The check beside the bare reader on the same bytes.
func BenchmarkCheck(b *testing.B) {
	in := benchFile()
	insured, err := LoadInsured(strings.NewReader("A123456780"))
	if err != nil {
		b.Fatal(err)
	}
	b.Run("reader", func(b *testing.B) {
		b.SetBytes(int64(len(in)))
		for b.Loop() {
			r := edifact.NewReader(strings.NewReader(in), edifact.Options{})
			for {
				if _, err := r.Next(); err == io.EOF {
					break
				} else if err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	for name, checks := range map[string][]MessageCheck{"envelope": nil, "insured": {insured}} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(in)))
			for b.Loop() {
				rep, err := Check(context.Background(), strings.NewReader(in), CheckOptions{Checks: checks})
				if err != nil || rep.Verdict != Accepted {
					b.Fatal(rep.Findings, err)
				}
			}
		})
	}
}
