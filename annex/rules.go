package annex

// A Severity says what a finding does to its file or message.
type Severity string

// The severities. An error of stage 1 rejects the file; one of a later stage
// refuses its message; a warning does neither.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
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

// Official reports whether the code is a number of the official catalogue.
func (r Rule) Official() bool { return digits(r.Code) }

// Sources of the rules.
const (
	srcFC    = "FC, Stufe 1"
	srcUNT   = "ISO 9735; Anlage 4 ch. 5"
	srcTA    = "Anlage 4 ch. 5; TA text on UNB 0020"
	srcFKT   = "13. Fortschreibung, Segment FKT"
	srcIK    = "ARGE IK, Rundschreiben 04/2013"
	srcOrder = "GGT 2"
	srcOwn   = "own plausibility check"
)

// Rules lists every rule that [Check] applies.
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
		{"10040", 1, Error, "Syntax %q in UNB ist unbekannt", "syntax %q in UNB is unknown", srcFC},
		{"10044", 1, Error, "Erstellungszeitpunkt %s liegt nach dem Zeitpunkt der Verarbeitung", "creation time %s is later than the time of processing", srcFC},
		{"10045", 1, Error, "Anwendungsreferenz hat %d statt 8 bis 11 Zeichen", "Anwendungsreferenz has %d instead of 8 to 11 characters", srcFC},
		{"10046", 1, Error, "S005 (Referenz/Passwort des Empfängers) ist gefüllt", "S005 (recipient's reference/password) is filled", srcFC},
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

		{"G4-001", 4, Error, "Versicherter nicht bekannt", "insured person is not known", srcOwn},
	}
}
