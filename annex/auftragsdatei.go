package annex

// AuftragsdateiSize is the length of an Auftragsdatei in bytes. It has no line
// end and no separators (GGT 2).
const AuftragsdateiSize = 348

// An Auftragsdatei is the record in clear text that accompanies a payload (GGT
// 2, version 01, 37 fields, 348 bytes, ISO 8859-1). Its fields stand in the order
// of the record. Text is UTF-8 without filling blanks. Points in time are text of
// the layout JJJJMMTThhmmss, local time of Germany; empty means not known, which
// the record writes as zeros. Numbers are never negative.
type Auftragsdatei struct {
	Identifikator  int    // 1: 500000; 0 stands for it when writing
	Version        int    // 2: 1; 0 stands for it when writing
	LaengeAuftrag  int    // 3: 348; 0 stands for it when writing
	SequenzNr      int    // 4: 0 undivided; 1 to 98 part; 900 to 999 last part (bilateral)
	Verfahren      string // 5: VERFAHREN_KENNUNG, "EKRH0"
	TransferNummer int    // 6: 0 to 999
	Spezifikation  string // 7: VERFAHREN_KENNUNG_SPEZIFIKATION, up to 5

	AbsenderEigner         string // 8: owner of the data, who signs and encrypts
	AbsenderPhysikalisch   string // 9: who sends this hop
	EmpfaengerNutzer       string // 10: who may decrypt
	EmpfaengerPhysikalisch string // 11: the next hop

	FehlerNummer    int // 12: up to 999999; 0 = none
	FehlerMassnahme int // 13: up to 999999; 0 = none

	Dateiname           string // 14: logical name, equals UNB 0026; 8 to 11 characters
	DatumErstellung     string // 15: of the payload; must be known
	DatumGesendet       string // 16: start of sending
	DatumEmpfangenStart string // 17: filled by the first receiver
	DatumEmpfangenEnde  string // 18: filled by the first receiver

	Dateiversion        int   // 19: unused by every Verfahren
	Korrektur           int   // 20: no value but 0 in use
	GroesseNutzdaten    int64 // 21: bytes before compression, signature and encryption
	GroesseUebertragung int64 // 22: bytes of the payload as transferred

	Zeichensatz      Zeichensatz   // 23
	Komprimierung    Komprimierung // 24
	Verschluesselung Krypto        // 25: always the same as Unterschrift
	Unterschrift     Krypto        // 26

	Satzformat  string // 27: F, V, U on data carriers; empty on the line
	Satzlaenge  int    // 28: data carriers only
	Blocklaenge int    // 29: data carriers only

	Status              string // 30: empty at delivery, or one digit 0 to 8
	Wiederholung        int    // 31: most repetitions of a transfer, 0 to 99
	Uebertragungsweg    int    // 32: 1 X.25 … 5 other; 0 stands for 5 when writing
	VerzoegerterVersand string // 33: JJMMTThhmm, send not before; empty = at once
	InfoFehler          int    // 34: error number of the transport; 0 = none
	VariablesInfo       string // 35: up to 28 characters
	EMailAbsender       string // 36: up to 44; older layouts: physical file name
	DateiBezeichnung    string // 37: up to 30
}

// TransferName is the name of the payload: VERFAHREN_KENNUNG + TRANSFER_NUMMER.
func (a *Auftragsdatei) TransferName() string {
	return TransferName(a.Verfahren, a.TransferNummer)
}

// Returned reports whether the record came back with an error: FEHLER_NUMMER or
// FEHLER_MASSNAHME is not zero (GGT 2).
func (a *Auftragsdatei) Returned() bool { return a.FehlerNummer != 0 || a.FehlerMassnahme != 0 }

// Zeichensatz is the character set of the payload (GGT 2).
type Zeichensatz string

// The character sets.
const (
	ZeichensatzI1 Zeichensatz = "I1" // ISO 8859-1, DIN 66303:2000-06
	ZeichensatzI5 Zeichensatz = "I5" // ISO 8859-15
	ZeichensatzI7 Zeichensatz = "I7" // DIN 66003 DRV, 7 bit
	ZeichensatzI8 Zeichensatz = "I8" // DIN 66303:1986-11, DRV8
	ZeichensatzU8 Zeichensatz = "U8" // UTF-8, only where the Verfahren allows it
	ZeichensatzP8 Zeichensatz = "P8" // code page 850, bilateral only
	ZeichensatzEB Zeichensatz = "EB" // EBCDIC, not allowed for procedures under §§ 294 ff. SGB V
	ZeichensatzBI Zeichensatz = "BI" // binary
)

// Known reports whether the code is in the table.
func (z Zeichensatz) Known() bool {
	switch z {
	case ZeichensatzI1, ZeichensatzI5, ZeichensatzI7, ZeichensatzI8, ZeichensatzU8, ZeichensatzP8, ZeichensatzEB, ZeichensatzBI:
		return true
	}
	return false
}

// Komprimierung is how the payload was compressed before signing; always a
// matter of bilateral agreement (GGT 2).
type Komprimierung int

// The compressions. 1, 4, 5 and 6 are not assigned.
const (
	KomprimierungNone  Komprimierung = 0
	KomprimierungGzip  Komprimierung = 2
	KomprimierungZIP   Komprimierung = 3  // a single file
	KomprimierungBzip2 Komprimierung = 7  //
	KomprimierungZIPs  Komprimierung = 13 // several files
	KomprimierungTree  Komprimierung = 23 // ZIP with directories, one Verfahren only
)

// Known reports whether the code is in the table.
func (k Komprimierung) Known() bool {
	switch k {
	case KomprimierungNone, KomprimierungGzip, KomprimierungZIP, KomprimierungBzip2, KomprimierungZIPs, KomprimierungTree:
		return true
	}
	return false
}

// Krypto is the kind of encryption, and of signature (GGT 2).
type Krypto int

// The kinds. Only the pairs 00/00 and 03/03 are valid.
const (
	KryptoNone Krypto = 0
	KryptoCMS  Krypto = 3 // PKCS#7 / CMS
)

// KryptoPair reports whether VERSCHLÜSSELUNGSART and ELEKTRONISCHE_UNTERSCHRIFT
// may stand together: neither, or both with CMS.
func KryptoPair(verschluesselung, unterschrift Krypto) bool {
	return verschluesselung == unterschrift && (verschluesselung == KryptoNone || verschluesselung == KryptoCMS)
}
