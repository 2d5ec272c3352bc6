package edifact_test

import (
	"fmt"
	"io"
	"os"
	"strings"

	"gateway301/edifact"
)

func ExampleReader() {
	r := edifact.NewReader(strings.NewReader("NAD+M?+S GmbH:Hamburg'"), edifact.Options{})
	for {
		s, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s from %q in %q\n", s.Tag(), s.Value(1, 1), s.Value(1, 2))
	}
	// Output: NAD from "M+S GmbH" in "Hamburg"
}

// All values of a segment as UTF-8, the fast way.
func ExampleDecoder() {
	r := edifact.NewReader(strings.NewReader("NAD+M?+S GmbH:M\xfcnchen++1'"), edifact.Options{})
	s, err := r.Next()
	if err != nil {
		fmt.Println(err)
		return
	}
	d := edifact.Decoder{Charset: edifact.I1}
	values, err := d.Values(s)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, v := range values {
		fmt.Printf("%d.%d %q\n", v.Element, v.Component, d.Bytes(v))
	}
	// Output:
	// 1.1 "M+S GmbH"
	// 1.2 "München"
	// 2.1 ""
	// 3.1 "1"
}

// A file breaks off behind a release character.
func ExampleSyntaxError() {
	r := edifact.NewReader(strings.NewReader("UNB+UNOC:3'BGM+380?"), edifact.Options{})
	for {
		if _, err := r.Next(); err != nil {
			fmt.Println(err)
			return
		}
	}
	// Output: edifact: segment 2 BGM, element 1, component 1, offset 19: nothing follows the release character
}

// Every fault of an envelope is told, and the walk goes on behind it.
func ExampleWalker() {
	file := "UNB+UNOC:3+260500005+109910000+261122:2200+00007'" +
		"UNH+00001+AUFN:16:000:00'FKT+10+01'UNT+4+00001'" +
		"UNH+00003+AUFN:16:000:00'FKT+10+01'UNT+3+00003'" +
		"UNZ+2+00007'"
	w := edifact.NewWalker(strings.NewReader(file), edifact.Options{}, func(e *edifact.EnvelopeError) {
		fmt.Println(e)
	})
	for {
		step, err := w.Next()
		if err != nil {
			fmt.Println(err)
			return
		}
		if step.Kind == edifact.KindUNH {
			fmt.Printf("message %d is %s\n", step.Message, step.Segment.Value(2, 1))
		}
	}
	// Output:
	// message 1 is AUFN
	// edifact: segment 4 UNT, element 1, component 1, offset 88: UNT counts wrongly: want "3", got "4"
	// edifact: segment 5 UNH, element 1, component 1, offset 100: gap in the UNH references: want "00002", got "00003"
	// message 2 is AUFN
	// EOF
}

func ExampleWriter() {
	w := edifact.NewWriter(os.Stdout, edifact.WriterOptions{Newline: "\n"})
	for _, err := range []error{
		w.Begin(edifact.Header{
			Sender: edifact.C("260500005"), Recipient: edifact.C("109910000"),
			Date: "261122", Time: "2200", Reference: "00007",
		}),
		w.Message("AUFN", "16", "000", "00"),
		w.Segment("FKT", edifact.C("10"), edifact.C("01"), edifact.C("260500005"), edifact.C("109910000")),
		w.EndMessage(),
		w.End(),
	} {
		if err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// UNB+UNOC:3+260500005+109910000+261122:2200+00007'
	// UNH+00001+AUFN:16:000:00'
	// FKT+10+01+260500005+109910000'
	// UNT+3+00001'
	// UNZ+1+00007'
}

func ExampleLineColumn() {
	file := "UNB+UNOC:3'\nBGM+380?"
	line, column, err := edifact.LineColumn(strings.NewReader(file), 20)
	fmt.Println(line, column, err)
	// Output: 2 9 <nil>
}
