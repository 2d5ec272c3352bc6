package annex

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// A Severity says what a finding does to its file or message.
type Severity string

// The severities. An error of stage 1 rejects the file; one of a later stage
// refuses its message; a warning does neither.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
	Off     Severity = "off" // in settings only: the rule is not checked
)

// A Rule is one thing that can be wrong with a file, by its stable code.
// Official five-digit codes are those of FC; codes of our own begin with "G".
type Rule struct {
	Code     string
	Stage    int // 1 file and structure … 4 the payer's own checks
	Severity Severity
	German   string // text of a finding, with fmt verbs for what stands there
	English  string // the same verbs in the same order
	Source   string
}

// Mark says how the rule is founded: S1 for the Vereinbarung and what belongs to
// it, A and R as in the tables; for most rules of stages 2 and 3 each row of the
// tables has its own, which "row" stands for.
func (r Rule) Mark() string {
	switch {
	case strings.HasPrefix(r.Source, srcRow):
		return "row"
	case strings.HasPrefix(r.Source, srcOwn):
		return "R"
	case r.Source == srcIK, r.Source == srcKVNR, strings.HasPrefix(r.Source, "C301"), strings.HasPrefix(r.Source, "CPX"), strings.HasPrefix(r.Source, "LAB"):
		return "S2"
	}
	return "S1"
}

// Official reports whether the code is a number of the official catalogue.
func (r Rule) Official() bool { return digits(r.Code) }

// Sources of the rules.
const (
	srcFC    = "FC, Stufe 1"
	srcUNT   = "ISO 9735; Anlage 4 ch. 5"
	srcTA    = "Anlage 4 ch. 5; TA text on UNB 0020"
	srcFKT   = "13. Fortschreibung, Segment FKT"
	srcIK    = "ARGE IK, Rundschreiben 04/2013"
	srcKVNR  = "DEWIKI, HL7"
	srcOrder = "GGT 2"
	srcOwn   = "own plausibility check"
	srcRow   = "row of the table" // each row of data/messages or data/lists names its own
)

// Rules lists every rule that [Check] applies: those of [Rules], and one for each
// code list. Without tables (nil) it is those of [Rules].
func (t *Tables) Rules() []Rule {
	rules := Rules()
	if t == nil {
		return rules
	}
	for _, l := range t.Lists(time.Time{}) {
		source, severity := srcOwn, Warning
		if len(l.Basis.Sources) > 0 {
			source = strings.Join(l.Basis.Sources, ", ")
		}
		if l.Basis.Firm {
			severity = Error
		}
		rules = append(rules, Rule{l.Rule, 3, severity, "Schlüssel steht nicht in der Liste " + l.Title + " (%s)", "code is not in the list " + l.Title + " (%s)", source})
	}
	slices.SortFunc(rules, func(a, b Rule) int { return cmp.Or(cmp.Compare(a.Stage, b.Stage), cmp.Compare(a.Code, b.Code)) })
	return rules
}

// Refusals lists our own codes that stand in an answer though no rule is broken.
func Refusals() []Rule {
	return []Rule{
		{CodeNotEntitled, 1, Error, "Absender oder Unterzeichner nicht berechtigt", "sender or signer not entitled", srcOwn},
		{CodeWholeFile, 1, Error, "Datei als Ganzes abgewiesen", "file refused as a whole", srcOwn},
	}
}

// Rules lists every rule that [Check] applies, but for those of code lists.
func Rules() []Rule {
	return []Rule{
		{"10001", 1, Error, "UNB fehlt oder steht nicht unmittelbar hinter UNA", "UNB is missing or does not stand directly behind UNA", srcFC},
		{"10003", 1, Error, "UNH fehlt oder steht nicht unmittelbar hinter UNB", "UNH is missing or does not stand directly behind UNB", srcFC},
		{"10004", 1, Error, "UNT fehlt", "UNT is missing", srcFC},
		{"10006", 1, Error, "UNZ fehlt: die Datei ist nicht vollständig", "UNZ is missing: the file is not complete", srcFC},
		{"10010", 1, Error, "UNA kommt mehrfach vor", "UNA occurs more than once", srcFC},
		{"10020", 1, Error, "UNA ist länger als 9 Zeichen", "UNA is longer than 9 characters", srcFC},
		{"10021", 1, Error, "Position 8 von UNA ist nicht leer", "position 8 of UNA is not blank", srcFC},
		{"10022", 1, Error, "UNA enthält andere Zeichen als Sonderzeichen", "UNA holds other than special characters", srcFC},
		{"10023", 1, Error, "die Zeichen 4 bis 7 und 9 von UNA sind nicht alle verschieden", "characters 4 to 7 and 9 of UNA are not all different", srcFC},
		{"10031", 1, Error, "falsche Anzahl von Trennzeichen im Segment", "wrong number of separators in the segment", srcFC},
		{"10032", 1, Error, "Feld ist nicht numerisch", "field is not numeric", srcFC},
		{"10033", 1, Error, "Feldlänge ist falsch: %d statt %s", "field length is wrong: %d instead of %s", srcFC},
		{"10034", 1, Error, "Angabe hat nicht die Form Datum:Uhrzeit", "not of the form date:time", srcFC},
		{"10030", 1, Error, "Trennzeichen in UNA ist nicht das des Verfahrens", "separator in UNA is not that of the Verfahren", srcFC},
		{"10040", 1, Error, "Syntax %q in UNB ist unbekannt", "syntax %q in UNB is unknown", srcFC},
		{"10041", 1, Error, "Absender %q ist kein bekannter Kommunikationspartner", "sender %q is no known communication partner", srcFC},
		{"10042", 1, Error, "Empfänger %q ist kein bekannter Kommunikationspartner", "recipient %q is no known communication partner", srcFC},
		{"10043", 1, Error, "Empfänger %q ist keine annehmende Stelle", "recipient %q is not an accepting body", srcFC},
		{"10044", 1, Error, "Erstellungszeitpunkt %s liegt nach dem Zeitpunkt der Verarbeitung", "creation time %s is later than the time of processing", srcFC},
		{"10045", 1, Error, "Anwendungsreferenz hat %d statt 8 bis 11 Zeichen", "Anwendungsreferenz has %d instead of 8 to 11 characters", srcFC},
		{"10046", 1, Error, "S005 (Referenz/Passwort des Empfängers) ist gefüllt", "S005 (recipient's reference/password) is filled", srcFC},
		{"10047", 1, Error, "Dateinummer %05d folgt nicht auf %05d", "file number %05d does not follow %05d", srcFC},
		{"10049", 1, Error, "ABSENDER_PHYSIKALISCH %q der Auftragsdatei ist unbekannt", "ABSENDER_PHYSIKALISCH %q of the Auftragsdatei is unknown", srcFC},
		{"10060", 1, Error, "UNH-Referenznummern sind nicht lückenlos: %q statt %q", "UNH reference numbers have a gap: %q instead of %q", srcFC},
		{"10061", 1, Error, "Dateiname in UNB (%q) weicht von der Auftragsdatei (%q) ab", "file name in UNB (%q) differs from the Auftragsdatei (%q)", srcFC},
		{"10066", 1, Error, "Absender in UNB (%q) ist nicht ABSENDER_EIGNER der Auftragsdatei (%q)", "sender in UNB (%q) is not ABSENDER_EIGNER of the Auftragsdatei (%q)", srcFC},
		{"10067", 1, Error, "Empfänger in UNB (%q) ist weder EMPFÄNGER_NUTZER (%q) noch EMPFÄNGER_PHYSIKALISCH (%q)", "recipient in UNB (%q) is neither EMPFÄNGER_NUTZER (%q) nor EMPFÄNGER_PHYSIKALISCH (%q)", srcFC},
		{"10080", 1, Error, "auf UNT folgt etwas anderes als UNH oder UNZ", "UNT is followed by something other than UNH or UNZ", srcFC},

		{"G1-001", 1, Error, "Segmentanzahl in UNT ist %q statt %q", "UNT counts %q segments instead of %q", srcUNT},
		{"G1-002", 1, Error, "Referenznummer in UNT ist %q statt %q", "reference in UNT is %q instead of %q", srcUNT},
		{"G1-003", 1, Error, "Nachrichtenanzahl in UNZ ist %q statt %q", "UNZ counts %q messages instead of %q", srcUNT},
		{"G1-004", 1, Error, "Datenaustauschreferenz in UNZ ist %q statt %q", "reference in UNZ is %q instead of %q", srcUNT},
		{"G1-005", 1, Error, "zweite Übertragungsdatei (UNB) in derselben Datei", "second interchange (UNB) in the same file", "Anlage 4 ch. 5"},
		{"G1-006", 1, Error, "Daten hinter UNZ", "data behind UNZ", "Anlage 4 ch. 5"},
		{"G1-007", 1, Error, "kein EDIFACT: an dieser Stelle müsste ein Segment beginnen", "not EDIFACT: a segment would have to begin here", "ISO 9735"},
		{"G1-008", 1, Error, "Segment ist länger als zulässig", "segment is longer than allowed", srcOwn},
		{"G1-009", 1, Error, "Nullbyte in der Datei", "NUL byte in the file", "ISO 9735"},
		{"G1-010", 1, Warning, "IK %q hat eine falsche Prüfziffer", "IK %q has a wrong check digit", srcIK},
		{"G1-011", 1, Warning, "IK %q ist ein Platzhalter", "IK %q is a placeholder", srcIK},
		{"G1-012", 1, Error, "Datenaustauschreferenz 00000: erlaubt ist 00001 bis 99999", "interchange reference 00000: 00001 to 99999 is allowed", srcTA},
		{"G1-013", 1, Warning, "Anwendungsreferenz beginnt nicht mit KRH", "Anwendungsreferenz does not begin with KRH", srcOwn},
		{"G1-014", 1, Warning, "UNB enthält Angaben, die das Verfahren nicht kennt", "UNB holds values that the Verfahren does not know", srcOwn},
		{"G1-015", 1, Error, "Nachrichtentyp besteht nicht aus vier Großbuchstaben", "message type is not four capital letters", "13. Fortschreibung, Segment UNH"},
		{"G1-016", 1, Error, "mehr als 99999 Nachrichten: die Referenznummer hat nur 5 Stellen", "more than 99999 messages: the reference has 5 digits only", "13. Fortschreibung, Segment UNH"},
		{"G1-017", 1, Warning, "Datei hat %d Byte, DATEIGRÖSSE_NUTZDATEN der Auftragsdatei nennt %d", "file has %d bytes, DATEIGRÖSSE_NUTZDATEN of the Auftragsdatei says %d", srcOrder},
		{"G1-018", 1, Warning, "Datei beginnt mit einer UTF-8-Kennung (BOM)", "file begins with a UTF-8 byte order mark", srcOwn},
		{"G1-019", 1, Warning, "Datei endet mit dem Dateiendezeichen 1A", "file ends with the end-of-file mark 1A", srcOwn},
		{"G1-021", 1, Error, "FKT fehlt unmittelbar hinter UNH", "FKT is missing directly behind UNH", srcFKT},
		{"G1-022", 1, Error, "FKT hat nicht vier Elemente", "FKT has not four elements", srcFKT},
		{"G1-023", 1, Error, "Verarbeitungskennzeichen oder laufende Nummer in FKT ist nicht zweistellig", "Verarbeitungskennzeichen or running number in FKT has not two characters", srcFKT},
		{"G1-024", 1, Error, "IK in FKT besteht nicht aus neun Ziffern", "IK in FKT is not nine digits", srcFKT},
		{"G1-025", 1, Error, "UNA ist in diesem Verfahren nicht erlaubt", "UNA is not allowed in this Verfahren", srcOwn},

		{"G2-001", 2, Warning, "Nachrichtentyp %q ist nicht bekannt", "message type %q is not known", srcOwn},
		{"G2-002", 2, Warning, "Version %q der Nachricht %s ist nicht bekannt", "version %q of message %s is not known", srcOwn},
		{"G2-003", 2, Error, "Segment %s gehört nicht in diese Nachricht", "segment %s does not belong to this message", srcRow},
		{"G2-004", 2, Error, "Segment %s steht an falscher Stelle", "segment %s stands at a wrong place", srcRow},
		{"G2-005", 2, Error, "Segment %s fehlt", "segment %s is missing", srcRow},
		{"G2-006", 2, Error, "Segment %s kommt öfter als %d-mal vor", "segment %s occurs more than %d times", srcRow},
		{"G2-007", 2, Error, "Segmentgruppe %s kommt öfter als %d-mal vor", "segment group %s occurs more than %d times", srcRow},
		{"G2-008", 2, Error, "Pflichtangabe fehlt: %s", "mandatory value is missing: %s", srcRow},
		{"G2-009", 2, Error, "Angabe an einer Stelle, die das Segment nicht hat", "value at a place that the segment does not have", srcRow},
		{"G2-010", 2, Error, "Länge ist falsch: %d statt %s (%s)", "length is wrong: %d instead of %s (%s)", srcRow},
		{"G2-011", 2, Error, "Angabe ist nicht numerisch: %s", "value is not numeric: %s", srcRow},
		{"G2-012", 2, Error, "Angabe ist kein Betrag mit Dezimalkomma: %s", "value is no amount with a decimal comma: %s", srcRow},
		{"G2-013", 2, Warning, "Steuerzeichen in einer Angabe", "control character in a value", srcOwn},

		{"G3-001", 3, Error, "kein gültiges Datum JJJJMMTT: %s", "no valid date JJJJMMTT: %s", srcRow},
		{"G3-002", 3, Error, "keine gültige Uhrzeit HHMM: %s", "no valid time HHMM: %s", srcRow},
		{"G3-003", 3, Error, "kein gültiger Monat JJMM: %s", "no valid month JJMM: %s", srcRow},
		{"G3-004", 3, Warning, "IK mit falscher Prüfziffer: %s", "IK with a wrong check digit: %s", srcIK},
		{"G3-005", 3, Warning, "IK ist ein Platzhalter: %s", "IK is a placeholder: %s", srcIK},
		{"G3-006", 3, Warning, "Krankenversichertennummer hat keine bekannte Form", "Krankenversichertennummer has no known form", srcKVNR},
		{"G3-007", 3, Warning, "Krankenversichertennummer hat eine falsche Prüfziffer", "Krankenversichertennummer has a wrong check digit", srcKVNR},
		{"G3-008", 3, Warning, "Diagnose hat nicht die Form eines ICD-Schlüssels: %s", "diagnosis has not the form of an ICD code: %s", srcOwn},
		{"G3-010", 3, Error, "Version %s galt am Aufnahmetag noch nicht", "version %s was not yet in force on the day of admission", srcRow + " (versions)"},
		{"G3-011", 3, Error, "Version %s galt am Aufnahmetag nicht mehr", "version %s was no longer in force on the day of admission", srcRow + " (versions)"},
		{"G3-012", 3, Warning, "Rechnungsbetrag ist nicht die Summe der Entgelte abzüglich der Zuzahlung", "amount of the invoice is not the sum of the Entgelte minus the Zuzahlung", "C301"},
		{"G3-013", 3, Warning, "Rechnungsart 1x gibt es nur als 14", "Rechnungsart 1x exists as 14 only", "C301"},
		{"G3-014", 3, Warning, "Rechnungsart 2x gibt es nur als 22", "Rechnungsart 2x exists as 22 only", "C301"},
		{"G3-015", 3, Warning, "Rechnungsart 5x gibt es nicht mit x von 4 bis 8", "Rechnungsart 5x does not exist with x from 4 to 8", "C301"},
		{"G3-016", 3, Warning, "Rechnungsart x0 gibt es nur als 80 und 90", "Rechnungsart x0 exists as 80 and 90 only", "C301"},
		{"G3-020", 3, Warning, "Entlassung oder Verlegung liegt außerhalb des Aufenthalts", "discharge or transfer lies outside of the stay", srcOwn},
		{"G3-021", 3, Warning, "Entlassungstag liegt vor dem Aufnahmetag", "day of discharge lies before the day of admission", srcOwn},
		{"G3-022", 3, Warning, "Operationstag liegt außerhalb des Aufenthalts", "day of operation lies outside of the stay", srcOwn},
		{"G3-023", 3, Warning, "Abrechnung bis liegt vor Abrechnung von", "last day that is billed lies before the first", srcOwn},
		{"G3-024", 3, Warning, "Abrechnung von liegt vor dem Aufnahmetag", "first day that is billed lies before the day of admission", srcOwn},
		{"G3-025", 3, Warning, "Tag der Entbindung liegt außerhalb des Aufenthalts", "day of delivery lies outside of the stay", srcOwn},
		{"G3-026", 3, Warning, "zu diesem Entlassungsgrund gehört die Pseudofachabteilung %s", "this Entlassungsgrund goes with the pseudo department %s", "C301"},
		{"G3-027", 3, Warning, "derselbe Geschäftsvorfall steht zum zweiten Mal in der Datei", "the same Geschäftsvorfall stands in the file for the second time", srcOwn},

		{"G4-001", 4, Error, "Versicherter nicht bekannt", "insured person is not known", srcOwn},
	}
}
