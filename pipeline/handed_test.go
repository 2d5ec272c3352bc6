package pipeline_test

import (
	"strings"
	"testing"

	"gateway301/exchange"
	"gateway301/pipeline"
)

// UNB 0026 may hold any character: none may lead out of the back end's folder or
// make a name that the rename cannot give.
func TestHandedNameIsAPlainName(t *testing.T) {
	for _, ref := range []string{"KRH0/000099", "../../etc/x", "KRH 00000ä1", "KRH\x00000001", ".hidden001"} {
		name := pipeline.HandedName(exchange.Delivery{ID: 7, Owner: "260500005", Envelope: exchange.Envelope{ApplicationRef: ref}})
		if !strings.HasPrefix(name, "260500005-") || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != "" || strings.Count(name, ".") != 1 {
			t.Errorf("%q became %q", ref, name)
		}
	}
}
