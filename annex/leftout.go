package annex

import (
	"bufio"
	"fmt"
	"io"
)

// WriteLeftOut lists the messages that [CopyWithout] leaves out of a file, one line
// for each fault, for who corrects them: German, UTF-8, without any value.
func WriteLeftOut(w io.Writer, r *Report) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "Aus %s herausgenommen, Original unverändert:\n", r.Envelope.ApplicationRef)
	for _, m := range r.Refused {
		for _, f := range m.Faults {
			fmt.Fprintf(out, "Nachricht %d, UNH %s %s, FKT %s %s: %s %s", m.Message, m.Reference, m.Type, m.FKT.VKZ, m.FKT.Number, f.Code, f.Text)
			if f.Segment != "" {
				fmt.Fprintf(out, " (%s %d, Element %d)", f.Segment, f.Position, f.Element)
			}
			fmt.Fprintln(out)
		}
	}
	return out.Flush()
}
