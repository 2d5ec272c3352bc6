package annex

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"gateway301/edifact"
)

func message(n int, body string) string {
	return fmt.Sprintf("UNH+%05d+AUFN:16:000:00'FKT+10+01+260500005+109910000'%sUNT+%d+%05[1]d'", n, body, 3+strings.Count(body, "'")-strings.Count(body, "?'"))
}

func TestCopyWithout(t *testing.T) {
	m := []string{message(1, ""), message(2, "INV+A?'1'"), message(3, "INV+B'NAD+M?+ller'")}
	breaks := strings.NewReplacer("'UN", "'\r\nUN")
	for _, c := range []struct {
		name, in, want string
		refused        []int64
	}{
		{"none", goodUNB + m[0] + m[1] + m[2] + "UNZ+3+00007'", goodUNB + m[0] + m[1] + m[2] + "UNZ+3+00007'", nil},
		{"first", goodUNB + m[0] + m[1] + m[2] + "UNZ+3+00007'", goodUNB + m[1] + m[2] + "UNZ+2+00007'", []int64{1}},
		{"middle, UNA", goodUNA + goodUNB + m[0] + m[1] + m[2] + "UNZ+3+00007'", goodUNA + goodUNB + m[0] + m[2] + "UNZ+2+00007'", []int64{2}},
		{"all but last, padded", goodUNB + m[0] + m[1] + m[2] + "UNZ+000003+00007'\n", goodUNB + m[2] + "UNZ+000001+00007'\n", []int64{1, 2}},
		{"line breaks", breaks.Replace(goodUNA+goodUNB+m[0]+m[1]+m[2]+"UNZ+3+00007'") + "\r\n\x1a", breaks.Replace(goodUNA+goodUNB+m[0]+m[2]+"UNZ+2+00007'") + "\r\n\x1a", []int64{2}},
		{"ten to nine", goodUNB + tenMessages() + "UNZ+10+00007'", goodUNB + strings.TrimPrefix(tenMessages(), m[0]) + "UNZ+9+00007'", []int64{1}},
	} {
		for name, src := range map[string]io.Reader{"at once": strings.NewReader(c.in), "byte by byte": iotest.OneByteReader(strings.NewReader(c.in))} {
			var out strings.Builder
			kept, err := CopyWithout(&out, src, func(n int64) bool {
				for _, r := range c.refused {
					if r == n {
						return true
					}
				}
				return false
			})
			if err != nil || out.String() != c.want || kept != int64(strings.Count(c.want, "UNH+")) {
				t.Errorf("%s, %s: kept %d, %v\n got %q\nwant %q", c.name, name, kept, err, out.String(), c.want)
			}
		}
	}
}

func tenMessages() string {
	var b strings.Builder
	for n := 1; n <= 10; n++ {
		b.WriteString(message(n, ""))
	}
	return b.String()
}

func TestCopyWithoutRefuses(t *testing.T) {
	keep := func(int64) bool { return false }
	if _, err := CopyWithout(io.Discard, strings.NewReader(good), func(int64) bool { return true }); !errors.Is(err, ErrAllRefused) {
		t.Error(err)
	}
	var fault *edifact.EnvelopeError
	if _, err := CopyWithout(io.Discard, strings.NewReader(edit(good, "UNZ+2", "UNZ+3")), keep); !errors.As(err, &fault) || fault.Fault != edifact.FaultUNZCount {
		t.Error(err)
	}
	if _, err := CopyWithout(io.Discard, strings.NewReader(good[:len(good)-3]), keep); !errors.Is(err, edifact.ErrTruncated) {
		t.Error(err)
	}
	if _, err := CopyWithout(io.Discard, io.MultiReader(strings.NewReader(good[:99]), iotest.ErrReader(errDisk)), keep); !errors.Is(err, errDisk) {
		t.Error(err)
	}
	for room := range len(good) {
		if _, err := CopyWithout(&full{room}, strings.NewReader(good), keep); !errors.Is(err, errDisk) {
			t.Fatalf("disk full after %d bytes: %v", room, err)
		}
	}
}

// full is a disk with room for so many bytes.
type full struct{ room int }

func (f *full) Write(p []byte) (int, error) {
	if len(p) > f.room {
		return f.room, errDisk
	}
	f.room -= len(p)
	return len(p), nil
}

// Check and copy of 50 MB stay in a few megabytes.
func TestMemoryIsFlat(t *testing.T) {
	segment := "NAD+Beispiel+Ute+w+19700101+Musterweg 1+00000+Musterstadt'"
	const perMessage, messages = 3000, 300
	body := strings.Repeat(segment, perMessage)
	var now runtime.MemStats
	peak := uint64(0)
	file := func() io.Reader {
		i := 0
		return &generator{next: func() string {
			if i%50 == 0 {
				runtime.GC()
				runtime.ReadMemStats(&now)
				peak = max(peak, now.HeapAlloc)
			}
			switch i++; {
			case i == 1:
				return goodUNB
			case i <= messages+1:
				return message(i-1, body)
			case i == messages+2:
				return fmt.Sprintf("UNZ+%d+00007'", messages)
			}
			return ""
		}}
	}
	deep := thorough(t)
	deep.Keep = 100
	runtime.GC()
	runtime.ReadMemStats(&now)
	before := now.HeapAlloc
	rep, err := Check(context.Background(), file(), CheckOptions{})
	if err != nil || rep.Verdict != Accepted || rep.Size < 50e6 {
		t.Fatal(rep.Verdict, rep.Size, err)
	}
	if kept, err := CopyWithout(io.Discard, file(), func(n int64) bool { return n%3 == 0 }); err != nil || kept != messages*2/3 {
		t.Fatal(kept, err)
	}
	if rep, err := Check(context.Background(), file(), deep); err != nil || rep.Errors+rep.Warnings < messages || len(rep.Findings) > 100 {
		t.Fatal(rep.Verdict, rep.Errors, err)
	}
	if grown := int64(peak) - int64(before); grown > int64(2+runtime.GOMAXPROCS(0))<<20 { // some pieces per core
		t.Errorf("heap grew by %d bytes for a file of %d", grown, rep.Size)
	}
}

// What is left after the refused messages are taken out is a good file, but for
// the gaps in the references.
func TestCheckThenCopy(t *testing.T) {
	insured, err := LoadInsured(strings.NewReader("K741852967"))
	if err != nil {
		t.Fatal(err)
	}
	rep, _ := check(t, good, CheckOptions{Checks: []MessageCheck{insured}})
	var out bytes.Buffer
	if _, err := CopyWithout(&out, strings.NewReader(good), rep.Refuses); err != nil {
		t.Fatal(err)
	}
	again, found := check(t, out.String(), CheckOptions{Checks: []MessageCheck{insured}})
	if len(found) != 1 || again.Findings[0].Code != "10060" || again.Messages != 1 {
		t.Errorf("%q", found)
	}
}
