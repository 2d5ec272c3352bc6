package edifact

import (
	"errors"
	"fmt"
)

// disagrees tells where the decoder gives something other than the values of the
// segment one by one.
func (d *Decoder) disagrees(s Segment) string {
	values, err := d.Values(s)
	c := s.Cursor()
	for i := 0; c.Next(); i++ {
		want, wantErr := string(c.Value()), error(nil)
		if d.Charset != 0 {
			want, wantErr = d.Charset.Decode(c.Value())
		}
		if wantErr != nil {
			var ve *ValueError
			if !errors.As(err, &ve) || ve.Element != c.Element() || ve.Component != c.Component() || ve.Tag != s.Tag() || ve.Err.Error() != wantErr.Error() {
				return fmt.Sprintf("value %d gives %v, want %v", i, err, wantErr)
			}
			return ""
		}
		if err != nil {
			continue
		}
		if i >= len(values) {
			return fmt.Sprintf("only %d values", len(values))
		}
		v := values[i]
		if int(v.Element) != c.Element() || int(v.Component) != c.Component() || string(d.Bytes(v)) != want {
			return fmt.Sprintf("value %d is %d.%d=%q, want %d.%d=%q", i, v.Element, v.Component, d.Bytes(v), c.Element(), c.Component(), want)
		}
		values = values[:len(values):len(values)]
	}
	if err != nil {
		return fmt.Sprintf("an error too many: %v", err)
	}
	return ""
}
