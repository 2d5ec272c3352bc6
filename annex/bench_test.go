package annex

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"gateway301/edifact"
)

// benchMessages make a file of about 64 MB.
const benchMessages = 60_000

// benchFile is a valid file of invoices of a common length.
func benchFile(messages int) string {
	var b strings.Builder
	b.WriteString(goodUNB)
	for n := 1; n <= messages; n++ {
		body := strings.Replace(bodyRECH, "N-1", fmt.Sprintf("F-00007-%05d", n), 1)
		more := strings.Repeat("ENT+74000000+1,50+20261120+20261124+4'", 18)
		body = strings.Replace(strings.Replace(body, "BNK", more+"BNK", 1), "1460,40", "1568,40", 1)
		fmt.Fprintf(&b, "UNH+%05d+RECH:16:000:00'%sUNT+%d+%05d'", n, body, strings.Count(body, "'")+2, n)
	}
	fmt.Fprintf(&b, "UNZ+%d+00007'", messages)
	return b.String()
}

// The check beside the bare reader on the same bytes.
func BenchmarkCheck(b *testing.B) {
	in := benchFile(benchMessages)
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
	tb, err := LoadTables()
	if err != nil {
		b.Fatal(err)
	}
	b.Run("full", func(b *testing.B) {
		b.SetBytes(int64(len(in)))
		b.ReportAllocs()
		for b.Loop() {
			rep, err := Check(context.Background(), strings.NewReader(in), CheckOptions{Tables: tb, Confirmed: true, Workers: 1})
			if err != nil || rep.Errors+rep.Warnings != 0 || rep.Stages[2].Passed != rep.Messages {
				b.Fatal(rep.Findings, err)
			}
		}
	})
	b.Run("full, all cores", func(b *testing.B) {
		b.SetBytes(int64(len(in)))
		for b.Loop() {
			rep, err := Check(context.Background(), strings.NewReader(in), CheckOptions{Tables: tb, Confirmed: true})
			if err != nil || rep.Errors+rep.Warnings != 0 || rep.Stages[2].Passed != rep.Messages {
				b.Fatal(rep.Findings, err)
			}
		}
	})
	for name, checks := range map[string][]MessageCheck{"envelope": nil, "insured": {insured}} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(in)))
			for b.Loop() {
				rep, err := Check(context.Background(), strings.NewReader(in), CheckOptions{Checks: checks, Workers: 1})
				if err != nil || rep.Verdict != Accepted {
					b.Fatal(rep.Findings, err)
				}
			}
		})
	}
}
