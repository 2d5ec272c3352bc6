package annex

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ErrAuftragsdatei is wrapped by every error about the content of an
// Auftragsdatei.
var ErrAuftragsdatei = errors.New("invalid Auftragsdatei")

// A FieldFault says which field of an Auftragsdatei breaks which rule.
type FieldFault struct {
	Field    string // "TRANSFER_NUMMER"; empty for the record as a whole
	Number   int    // 1 to 37; 0 for the record
	From, To int    // positions in the record, from 1, both inclusive
	Rule     string // the rule, in words
}

// String names field, position and rule.
func (f FieldFault) String() string {
	if f.Number == 0 {
		return "record: " + f.Rule
	}
	return fmt.Sprintf("%s (field %d, position %d-%d): %s", f.Field, f.Number, f.From, f.To, f.Rule)
}

// An OrderError lists everything that is wrong with an Auftragsdatei. It wraps
// [ErrAuftragsdatei].
type OrderError struct{ Faults []FieldFault }

// Error lists all faults, one after the other.
func (e *OrderError) Error() string {
	var b strings.Builder
	b.WriteString(ErrAuftragsdatei.Error())
	sep := ": "
	for _, f := range e.Faults {
		b.WriteString(sep)
		b.WriteString(f.String())
		sep = "; "
	}
	return b.String()
}

// Unwrap gives ErrAuftragsdatei.
func (e *OrderError) Unwrap() error { return ErrAuftragsdatei }

// stampLayout is JJJJMMTThhmmss as the time package writes layouts.
const stampLayout = "20060102150405"

// The types of a field: numeric (right-aligned, zero-filled) and text
// (left-aligned, blank-filled).
type fieldType byte

const (
	numeric fieldType = 'N'
	text    fieldType = 'A'
)

// The Arten of a field: must, conditional, optional (GGT 2: M, m, K).
const (
	must        = 'M'
	conditional = 'm'
	optional    = 'K'
)

// A field is one row of the table in GGT 2.
type field struct {
	name   string
	length int
	typ    fieldType
	art    rune
	ref    func(*Auftragsdatei) any // *int, *int64 or *string
	check  rule                     // nil: none beyond type and length
}

// A rule says what a value breaks, "" when nothing. usable tells that a reader
// can live with it: then it is a warning when reading. Writing accepts nothing.
type rule func(a *Auftragsdatei) (broken string, usable bool)

// layout is the record. Positions follow from the lengths.
func layout() []field {
	type A = Auftragsdatei
	return []field{
		{"IDENTIFIKATOR", 6, numeric, must, func(a *A) any { return &a.Identifikator }, isConstant(500000, func(a *A) int { return a.Identifikator })},
		{"VERSION", 2, numeric, must, func(a *A) any { return &a.Version }, isConstant(1, func(a *A) int { return a.Version })},
		{"LÄNGE_AUFTRAG", 8, numeric, must, func(a *A) any { return &a.LaengeAuftrag }, isConstant(AuftragsdateiSize, func(a *A) int { return a.LaengeAuftrag })},
		{"SEQUENZ_NR", 3, numeric, conditional, func(a *A) any { return &a.SequenzNr }, checkSequenz},
		{"VERFAHREN_KENNUNG", 5, text, must, func(a *A) any { return &a.Verfahren }, checkVerfahren},
		{"TRANSFER_NUMMER", 3, numeric, must, func(a *A) any { return &a.TransferNummer }, nil},
		{"VERFAHREN_KENNUNG_SPEZIFIKATION", 5, text, conditional, func(a *A) any { return &a.Spezifikation }, nil},
		{"ABSENDER_EIGNER", 15, text, must, func(a *A) any { return &a.AbsenderEigner }, isParty(func(a *A) string { return a.AbsenderEigner })},
		{"ABSENDER_PHYSIKALISCH", 15, text, must, func(a *A) any { return &a.AbsenderPhysikalisch }, isParty(func(a *A) string { return a.AbsenderPhysikalisch })},
		{"EMPFÄNGER_NUTZER", 15, text, must, func(a *A) any { return &a.EmpfaengerNutzer }, isParty(func(a *A) string { return a.EmpfaengerNutzer })},
		{"EMPFÄNGER_PHYSIKALISCH", 15, text, must, func(a *A) any { return &a.EmpfaengerPhysikalisch }, isParty(func(a *A) string { return a.EmpfaengerPhysikalisch })},
		{"FEHLER_NUMMER", 6, numeric, must, func(a *A) any { return &a.FehlerNummer }, nil},
		{"FEHLER_MASSNAHME", 6, numeric, must, func(a *A) any { return &a.FehlerMassnahme }, nil},
		{"DATEINAME", 11, text, must, func(a *A) any { return &a.Dateiname }, checkDateiname},
		{"DATUM_ERSTELLUNG", 14, numeric, must, func(a *A) any { return &a.DatumErstellung }, checkErstellung},
		{"DATUM_ÜBERTRAGUNG_GESENDET", 14, numeric, conditional, func(a *A) any { return &a.DatumGesendet }, isStamp(func(a *A) string { return a.DatumGesendet })},
		{"DATUM_ÜBERTRAGUNG_EMPFANGEN_START", 14, numeric, optional, func(a *A) any { return &a.DatumEmpfangenStart }, isStamp(func(a *A) string { return a.DatumEmpfangenStart })},
		{"DATUM_ÜBERTRAGUNG_EMPFANGEN_ENDE", 14, numeric, optional, func(a *A) any { return &a.DatumEmpfangenEnde }, isStamp(func(a *A) string { return a.DatumEmpfangenEnde })},
		{"DATEIVERSION", 6, numeric, must, func(a *A) any { return &a.Dateiversion }, isUnused(func(a *A) int { return a.Dateiversion })},
		{"KORREKTUR", 1, numeric, must, func(a *A) any { return &a.Korrektur }, isUnused(func(a *A) int { return a.Korrektur })},
		{"DATEIGRÖSSE_NUTZDATEN", 12, numeric, must, func(a *A) any { return &a.GroesseNutzdaten }, isSize(func(a *A) int64 { return a.GroesseNutzdaten })},
		{"DATEIGRÖSSE_ÜBERTRAGUNG", 12, numeric, must, func(a *A) any { return &a.GroesseUebertragung }, isSize(func(a *A) int64 { return a.GroesseUebertragung })},
		{"ZEICHENSATZ", 2, text, must, func(a *A) any { return (*string)(&a.Zeichensatz) }, checkZeichensatz},
		{"KOMPRIMIERUNG", 2, numeric, must, func(a *A) any { return (*int)(&a.Komprimierung) }, checkKomprimierung},
		{"VERSCHLÜSSELUNGSART", 2, numeric, must, func(a *A) any { return (*int)(&a.Verschluesselung) }, nil},
		{"ELEKTRONISCHE_UNTERSCHRIFT", 2, numeric, must, func(a *A) any { return (*int)(&a.Unterschrift) }, checkKrypto},
		{"SATZFORMAT", 3, text, conditional, func(a *A) any { return &a.Satzformat }, checkSatzformat},
		{"SATZLÄNGE", 5, numeric, conditional, func(a *A) any { return &a.Satzlaenge }, nil},
		{"BLOCKLÄNGE", 8, numeric, conditional, func(a *A) any { return &a.Blocklaenge }, checkBlock},
		{"STATUS", 1, text, conditional, func(a *A) any { return &a.Status }, checkStatus},
		{"WIEDERHOLUNG", 2, numeric, conditional, func(a *A) any { return &a.Wiederholung }, nil},
		{"ÜBERTRAGUNGSWEG", 1, numeric, conditional, func(a *A) any { return &a.Uebertragungsweg }, checkWeg},
		{"VERZÖGERTER_VERSAND", 10, numeric, conditional, func(a *A) any { return &a.VerzoegerterVersand }, checkVerzoegert},
		{"INFO_UND_FEHLERFELDER", 6, numeric, conditional, func(a *A) any { return &a.InfoFehler }, nil},
		{"VARIABLES_INFO_FELD", 28, text, conditional, func(a *A) any { return &a.VariablesInfo }, nil},
		{"E-MAIL-ADRESSE_ABSENDER", 44, text, conditional, func(a *A) any { return &a.EMailAbsender }, nil},
		{"DATEI_BEZEICHNUNG", 30, text, conditional, func(a *A) any { return &a.DateiBezeichnung }, checkEMail},
	}
}

// Encode writes the record: 348 bytes, ISO 8859-1. It is strict: the error is an
// [*OrderError] that lists every field that breaks a rule, and nothing is
// written then.
func (a Auftragsdatei) Encode() ([]byte, error) {
	setDefaults(&a)
	var out []byte
	var faults []FieldFault
	from := 1
	for i, f := range layout() {
		b, broken := f.encode(&a)
		if broken == "" && f.check != nil {
			broken, _ = f.check(&a)
		}
		if broken != "" {
			faults = append(faults, FieldFault{f.name, i + 1, from, from + f.length - 1, broken})
		}
		out = append(out, b...)
		from += f.length
	}
	if faults != nil {
		return nil, &OrderError{faults}
	}
	return out, nil
}

// setDefaults puts in what the zero value stands for.
func setDefaults(a *Auftragsdatei) {
	for p, v := range map[*int]int{&a.Identifikator: 500000, &a.Version: 1, &a.LaengeAuftrag: AuftragsdateiSize, &a.Uebertragungsweg: 5} {
		if *p == 0 {
			*p = v
		}
	}
}

// encode writes one value in the length of its field.
func (f *field) encode(a *Auftragsdatei) (b []byte, broken string) {
	switch v := f.ref(a).(type) {
	case *int:
		return encodeNumber(int64(*v), f.length)
	case *int64:
		return encodeNumber(*v, f.length)
	case *string:
		if f.typ == numeric {
			return encodeDigits(*v, f.length)
		}
		return encodeText(*v, f.length)
	}
	panic("annex: layout refers to a field of another type")
}

func encodeNumber(n int64, length int) ([]byte, string) {
	b := fmt.Appendf(nil, "%0*d", length, n)
	switch {
	case n < 0:
		return nil, "must not be negative"
	case len(b) > length:
		return nil, fmt.Sprintf("must not have more than %d digits", length)
	}
	return b, ""
}

func encodeDigits(s string, length int) ([]byte, string) {
	switch {
	case s == "":
		return bytes.Repeat([]byte{'0'}, length), ""
	case len(s) != length || !digits(s):
		return nil, fmt.Sprintf("must have exactly %d digits", length)
	}
	return []byte(s), ""
}

func encodeText(s string, length int) ([]byte, string) {
	b := make([]byte, 0, length)
	for _, r := range s {
		if r < ' ' || r > 0xFF || r >= 0x7F && r <= 0x9F {
			return nil, "holds a character that ISO 8859-1 cannot print"
		}
		b = append(b, byte(r))
	}
	switch {
	case len(b) > length:
		return nil, fmt.Sprintf("must not have more than %d characters", length)
	case len(b) > 0 && (b[0] == ' ' || b[len(b)-1] == ' '):
		return nil, "must not begin or end with a blank"
	}
	for len(b) < length {
		b = append(b, ' ')
	}
	return b, ""
}

// ParseAuftragsdatei reads a record. It is lenient where producers are known to
// differ, and says so in warnings:
//
//   - a line end or end-of-file mark after the 348 bytes;
//   - blanks instead of zeros: in numeric fields of the Arten m and K, and as
//     filling before the digits of any numeric field;
//   - text that is not left-aligned; characters that cannot be printed, in text
//     of the Arten m and K;
//   - values outside their code table or form where the record stays usable,
//     such as a wrong check digit or an unknown character set.
//
// Everything else is an [*OrderError] that lists all faults. The record is then
// returned as far as it could be read, for display only.
func ParseAuftragsdatei(b []byte) (Auftragsdatei, []FieldFault, error) {
	var a Auftragsdatei
	var warnings, faults []FieldFault
	if trimmed := bytes.TrimRight(b, "\r\n\x1a"); len(trimmed) == AuftragsdateiSize && len(b) > AuftragsdateiSize {
		b = trimmed
		warnings = append(warnings, FieldFault{Rule: "is followed by a line end or end-of-file mark"})
	}
	if len(b) != AuftragsdateiSize {
		return a, nil, &OrderError{[]FieldFault{{Rule: fmt.Sprintf("has %d bytes, not %d", len(b), AuftragsdateiSize)}}}
	}
	fields := layout()
	unread := make([]bool, len(fields))
	for i, from := 0, 1; i < len(fields); from, i = from+fields[i].length, i+1 {
		f := &fields[i]
		broken, usable := f.decode(&a, b[from-1:from-1+f.length])
		unread[i] = broken != "" && !usable
		report(&warnings, &faults, FieldFault{f.name, i + 1, from, from + f.length - 1, broken}, usable)
	}
	// Rules look at other fields too, so they come when all are read.
	for i, from := 0, 1; i < len(fields); from, i = from+fields[i].length, i+1 {
		if f := &fields[i]; f.check != nil && !unread[i] {
			broken, usable := f.check(&a)
			report(&warnings, &faults, FieldFault{f.name, i + 1, from, from + f.length - 1, broken}, usable)
		}
	}
	if faults != nil {
		return a, warnings, &OrderError{faults}
	}
	return a, warnings, nil
}

// report puts f where it belongs, and nowhere if nothing is broken.
func report(warnings, faults *[]FieldFault, f FieldFault, usable bool) {
	switch {
	case f.Rule == "":
	case usable:
		*warnings = append(*warnings, f)
	default:
		*faults = append(*faults, f)
	}
}

// decode reads the bytes of one field into its place.
func (f *field) decode(a *Auftragsdatei, b []byte) (broken string, usable bool) {
	if f.typ == text {
		s, broken := decodeText(b)
		*f.ref(a).(*string) = s
		return broken, broken == notLeftAligned || f.art != must
	}
	digitsOnly := bytes.TrimLeft(b, " ")
	switch {
	case len(digitsOnly) == 0 && f.art == must:
		return "must not be blank", false
	case len(digitsOnly) == 0:
		return "is blank instead of zero", true
	case !digits(digitsOnly):
		return "is not numeric", false
	}
	n, err := strconv.ParseInt(string(digitsOnly), 10, 64)
	if err != nil { // 14 digits at most: cannot happen
		return err.Error(), false
	}
	switch v := f.ref(a).(type) {
	case *int:
		*v = int(n)
	case *int64:
		*v = n
	case *string:
		if n != 0 {
			*v = strings.Repeat("0", len(b)-len(digitsOnly)) + string(digitsOnly)
		}
	}
	if len(digitsOnly) < len(b) {
		return "is filled with blanks instead of zeros", true
	}
	return "", true
}

const (
	notLeftAligned = "is not left-aligned"
	notPrintable   = "holds characters that cannot be printed"
)

// decodeText turns ISO 8859-1 into UTF-8 without filling blanks. Bytes that
// cannot be printed become U+FFFD.
func decodeText(b []byte) (s, broken string) {
	b = bytes.TrimRight(b, " ")
	if trimmed := bytes.TrimLeft(b, " "); len(trimmed) < len(b) {
		b, broken = trimmed, notLeftAligned
	}
	runes := make([]rune, len(b))
	for i, c := range b {
		runes[i] = rune(c)
		if c < ' ' || c >= 0x7F && c <= 0x9F {
			runes[i], broken = '\uFFFD', notPrintable
		}
	}
	return string(runes), broken
}

// The rules of single fields.

func isConstant(want int, get func(*Auftragsdatei) int) rule {
	return func(a *Auftragsdatei) (string, bool) {
		if get(a) != want {
			return fmt.Sprintf("must be the constant %d", want), false
		}
		return "", true
	}
}

func isUnused(get func(*Auftragsdatei) int) rule {
	return func(a *Auftragsdatei) (string, bool) {
		if get(a) != 0 {
			return "is unused and must be 0", true
		}
		return "", true
	}
}

func checkSequenz(a *Auftragsdatei) (string, bool) {
	if a.SequenzNr > 98 && a.SequenzNr < 900 {
		return "must be 0, 1 to 98, or 900 to 999", false
	}
	return "", true
}

func checkVerfahren(a *Auftragsdatei) (string, bool) {
	if !validVerfahren(a.Verfahren) {
		return "must be E or T, three capital letters and a digit", false
	}
	return "", true
}

// isParty: an IK has 9 digits, an Absendernummer 8, a KZV 5, a KV 4 (GGT 2).
func isParty(get func(*Auftragsdatei) string) rule {
	return func(a *Auftragsdatei) (string, bool) {
		s := get(a)
		switch {
		case s == "":
			return "must not be empty", false
		case len(s) == 9 && digits(s):
			if err := ValidIK(s); err != nil {
				return err.Error(), true
			}
		case !digits(s) || len(s) != 8 && len(s) != 5 && len(s) != 4:
			return "must be an IK of 9 digits, or a number of 8, 5 or 4 digits", true
		}
		return "", true
	}
}

func checkDateiname(a *Auftragsdatei) (string, bool) {
	switch n := len([]rune(a.Dateiname)); {
	case n == 0:
		return "must not be empty", false
	case n < 8:
		return "must have 8 to 11 characters (10045)", true
	}
	return "", true
}

// checkErstellung: DATUM_ERSTELLUNG is part of the delivery's identity, so
// nobody can live without it.
func checkErstellung(a *Auftragsdatei) (string, bool) {
	if !validTime(stampLayout, a.DatumErstellung) {
		return "must be a point in time JJJJMMTThhmmss", false
	}
	return "", true
}

func isStamp(get func(*Auftragsdatei) string) rule {
	return func(a *Auftragsdatei) (string, bool) {
		if s := get(a); s != "" && !validTime(stampLayout, s) {
			return "must be zero or a point in time JJJJMMTThhmmss", true
		}
		return "", true
	}
}

// validTime reports whether s is a point in time in layout, exactly. time.Parse
// alone would let a fraction follow the seconds.
func validTime(layout, s string) bool {
	_, err := time.Parse(layout, s)
	return err == nil && len(s) == len(layout)
}

func isSize(get func(*Auftragsdatei) int64) rule {
	return func(a *Auftragsdatei) (string, bool) {
		if get(a) == 0 {
			return "must not be 0: an empty file is never delivered", false
		}
		return "", true
	}
}

func checkZeichensatz(a *Auftragsdatei) (string, bool) {
	switch {
	case !a.Zeichensatz.Known():
		return "must be one of I1, I5, I7, I8, U8, P8, BI", true
	case a.Zeichensatz == ZeichensatzEB:
		return "EB is not allowed for procedures under §§ 294 ff. SGB V", true
	}
	return "", true
}

func checkKomprimierung(a *Auftragsdatei) (string, bool) {
	if !a.Komprimierung.Known() {
		return "must be one of 00, 02, 03, 07, 13, 23", false
	}
	return "", true
}

func checkKrypto(a *Auftragsdatei) (string, bool) {
	if !KryptoPair(a.Verschluesselung, a.Unterschrift) {
		return "only 00 with VERSCHLÜSSELUNGSART 00, or 03 with 03, is allowed", false
	}
	return "", true
}

func checkSatzformat(a *Auftragsdatei) (string, bool) {
	switch a.Satzformat {
	case "", "F", "V", "U":
		return "", true
	}
	return "must be empty, F, V or U", true
}

func checkBlock(a *Auftragsdatei) (string, bool) {
	if a.Satzformat == "" && (a.Satzlaenge != 0 || a.Blocklaenge != 0) {
		return "must be 0, and SATZLÄNGE too, when SATZFORMAT is empty", true
	}
	return "", true
}

func checkStatus(a *Auftragsdatei) (string, bool) {
	if s := a.Status; s != "" && (len(s) != 1 || s[0] < '0' || s[0] > '8') {
		return "must be empty or a digit from 0 to 8", true
	}
	return "", true
}

func checkWeg(a *Auftragsdatei) (string, bool) {
	if a.Uebertragungsweg < 1 || a.Uebertragungsweg > 5 {
		return "must be from 1 to 5", true
	}
	return "", true
}

func checkVerzoegert(a *Auftragsdatei) (string, bool) {
	if s := a.VerzoegerterVersand; s != "" && !validTime("0601021504", s) {
		return "must be zero or a point in time JJMMTThhmm", true
	}
	return "", true
}

// checkEMail: GGT 2 lets a long address run on to position 344, into this
// field. Where that may have happened nobody can tell the two apart; the bytes
// stay where they are, so that a record can be passed on unchanged.
func checkEMail(a *Auftragsdatei) (string, bool) {
	if a.DateiBezeichnung != "" && len([]rune(a.EMailAbsender)) == 44 && strings.Contains(a.EMailAbsender, "@") {
		return "may be the end of the address in E-MAIL-ADRESSE_ABSENDER, which fills its field", true
	}
	return "", true
}

// A FieldValue is one field of the record as a reader sees it.
type FieldValue struct {
	Number   int
	Name     string
	From, To int    // positions in the record, from 1, both inclusive
	Value    string // text without filling blanks, numbers in decimal
}

// Fields are the 37 fields in the order of the record.
func (a Auftragsdatei) Fields() []FieldValue {
	var out []FieldValue
	from := 1
	for i, f := range layout() {
		v := FieldValue{Number: i + 1, Name: f.name, From: from, To: from + f.length - 1}
		switch ref := f.ref(&a).(type) {
		case *string:
			v.Value = *ref
		case *int:
			v.Value = strconv.Itoa(*ref)
		case *int64:
			v.Value = strconv.FormatInt(*ref, 10)
		}
		out = append(out, v)
		from += f.length
	}
	return out
}
