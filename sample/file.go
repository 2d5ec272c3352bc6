package sample

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"time"

	"gateway301/annex"
	"gateway301/edifact"
)

// What [Write] and [WriteSized] refuse.
var (
	ErrType     = errors.New("no sample of this message type")
	ErrTooLarge = errors.New("more than fits into one interchange")
)

// What the limits of repetition leave room for in maxMessages messages, in bytes.
const (
	maxRECH = 800_000_000
	maxENTL = 20_000_000_000
)

// maxMessages is how many messages the five digits of a UNH reference can name.
const maxMessages = 99999

// FileOptions say what an invented interchange looks like. Type, Sender and
// Recipient are needed, everything else has a default.
type FileOptions struct {
	Type           string    // one of [Types]
	Version        string    // of the message: "12", "13", "15" or "16", the default
	Sender         string    // IK in UNB 0004
	Recipient      string    // IK in UNB 0010
	Kostentraeger  string    // IK of the Krankenkasse in FKT; default: the insurer in UNB
	Reference      int       // UNB 0020, 1 to 99999; default 1
	ApplicationRef string    // UNB 0026; default KRH and Reference in eight digits
	Created        time.Time // in local time; default noon on 2 January 2026
	Messages       int       // default 1
	Insured        []string  // Versichertennummern, used in turn; default: invented by Seed
	Seed           uint64    // other persons, cases and amounts
	UNA            bool      // begin with a UNA
	Newline        string    // behind every segment: "", "\n" or "\r\n"
}

// Types lists the message types that there are samples of, those of hospitals
// first.
func Types() []string {
	return []string{"AUFN", "VERL", "MBEG", "ENTL", "RECH", "AMBO", "ZGUT", "INKA", "KOUB", "ANFM", "ZAHL", "ZAAO", "SAMU", "KAIN", "FEHL"}
}

// File is what [Write] writes.
func File(o FileOptions) ([]byte, error) {
	var b bytes.Buffer
	err := Write(&b, o)
	return b.Bytes(), err
}

// Write writes an interchange of o.Messages messages.
func Write(w io.Writer, o FileOptions) error {
	f, err := begin(w, &o)
	if err != nil {
		return err
	}
	if o.Messages > maxMessages {
		return fmt.Errorf("%w: %d messages", ErrTooLarge, o.Messages)
	}
	for i := range max(o.Messages, 1) {
		if err := f.message(i, 0); err != nil {
			return err
		}
	}
	return f.out.End()
}

// WriteSized writes an interchange of about so many bytes, at least one message:
// as many messages as it takes, each as long as that needs. Only RECH (up to 800 MB)
// and ENTL (up to 20 GB) can grow; o.Messages has no meaning. It streams.
func WriteSized(w io.Writer, o FileOptions, size int64) error {
	switch {
	case o.Type != "RECH" && o.Type != "ENTL":
		return fmt.Errorf("%w that can grow: %q", ErrType, o.Type)
	case o.Type == "RECH" && size > maxRECH, size > maxENTL:
		return fmt.Errorf("%w: %d bytes", ErrTooLarge, size)
	}
	c := &counter{w: w}
	f, err := begin(c, &o)
	if err != nil {
		return err
	}
	fill := int(min(size/(maxMessages/2), 400_000))
	for i := 0; i < maxMessages && (i == 0 || c.n < size); i++ {
		if err := f.message(i, fill); err != nil {
			return err
		}
		if err := f.out.Flush(); err != nil {
			return err
		}
	}
	return f.out.End()
}

// A counter counts the bytes that pass through it.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// A file is an interchange being written.
type file struct {
	o    FileOptions
	out  *edifact.Writer
	body func(*file, *fall, int)
	err  error // the first of the segments being written

	values   [16]string // of the segment being written, so that seg need not allocate
	elements [16]edifact.Element
}

// begin fills in the defaults and writes UNB.
func begin(w io.Writer, o *FileOptions) (*file, error) {
	f := &file{body: bodies()[o.Type]}
	if f.body == nil {
		return nil, fmt.Errorf("%w: %q", ErrType, o.Type)
	}
	if o.Version == "" {
		o.Version = "16"
	}
	if o.Kostentraeger == "" {
		o.Kostentraeger = o.Recipient
		if !annex.FromHospital(o.Type) {
			o.Kostentraeger = o.Sender
		}
	}
	if o.Reference == 0 {
		o.Reference = 1
	}
	if o.ApplicationRef == "" {
		o.ApplicationRef = fmt.Sprintf("KRH%08d", o.Reference)
	}
	if o.Created.IsZero() {
		o.Created = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	}
	f.o = *o
	f.out = edifact.NewWriter(w, edifact.WriterOptions{UNA: o.UNA, Newline: o.Newline})
	return f, f.out.Begin(edifact.Header{
		Sender: edifact.C(o.Sender), Recipient: edifact.C(o.Recipient),
		Date: o.Created.Format("060102"), Time: o.Created.Format("1504"),
		Reference: fmt.Sprintf("%05d", o.Reference),
		More:      []edifact.Element{nil, edifact.C(o.ApplicationRef)},
	})
}

// message writes message number i, from 0. fill is about how many bytes its
// repeated segments shall have; 0 for a short one.
func (f *file) message(i, fill int) error {
	if err := f.out.Message(f.o.Type, f.o.Version, "000", "00"); err != nil {
		return err
	}
	f.err = nil
	c := newFall(&f.o, i)
	hospital, insurer := f.o.Sender, f.o.Kostentraeger
	if annex.FromHospital(f.o.Type) {
		f.seg("FKT", vkz(f.o.Type), "01", hospital, insurer)
	} else {
		hospital = f.o.Recipient
		f.seg("FKT", vkz(f.o.Type), "01", insurer, hospital)
	}
	if f.o.Type != "SAMU" && f.o.Type != annex.TypeFEHL {
		f.person(c)
	}
	f.body(f, c, fill)
	if f.err != nil {
		return f.err
	}
	return f.out.EndMessage()
}

// person writes who a message is about.
func (f *file) person(c *fall) {
	kreis, dmp := "00", "00"
	if !f.sites() {
		kreis, dmp = "0", "0"
	}
	f.seg("INV", c.kvnr, c.art, kreis, dmp, c.card, c.kennzeichen, c.fallnummer)
	f.text("NAD", c.name, c.vorname, c.geschlecht, c.geboren, c.strasse, "00000", c.ort, "", "D", "", "", c.zusatz)
}

// sites reports whether the version knows Standorte, and keys of two digits in INV.
func (f *file) sites() bool { return f.o.Version >= "15" }

// site writes where the stay ended.
func (f *file) site(c *fall) {
	if f.sites() {
		f.seg("STA", standort, c.entlassung, c.clock())
	}
}

// vkz is the Verarbeitungskennzeichen of the normal case.
func vkz(messageType string) string {
	if messageType == "KAIN" || messageType == "INKA" {
		return "75"
	}
	return "10"
}

// seg writes a segment of up to 16 elements without components, given in ASCII.
// The first error stays.
func (f *file) seg(tag string, values ...string) {
	n := copy(f.values[:], values)
	for i := range n {
		f.elements[i] = f.values[i : i+1]
	}
	f.put(tag, f.elements[:n]...)
}

// text is seg for values with umlauts.
func (f *file) text(tag string, values ...string) {
	for i, v := range values {
		b, err := edifact.I1.Encode(v)
		if err != nil && f.err == nil {
			f.err = err
		}
		values[i] = string(b)
	}
	f.seg(tag, values...)
}

func (f *file) put(tag string, elements ...edifact.Element) {
	if f.err == nil {
		f.err = f.out.Segment(tag, elements...)
	}
}

// A fall is one invented case in a hospital.
type fall struct {
	rng *rand.Rand

	kvnr, art, card, kennzeichen, fallnummer string
	name, vorname, geschlecht, geboren       string
	strasse, ort, zusatz                     string

	heute, aufnahme, entlassung string // days, JJJJMMTT
	bis                         string // day until which stay and Kostenübernahme are expected
	tage                        int
	diagnose                    edifact.Element
	abteilung                   string
}

// newFall invents case number i of a file.
func newFall(o *FileOptions, i int) *fall {
	rng := rand.New(rand.NewPCG(o.Seed, uint64(o.Reference)<<32|uint64(i)))
	c := &fall{
		rng: rng, kvnr: KVNR(rng.Uint64()), art: pick(rng, "1", "3", "5"), card: o.Created.AddDate(1, 0, 0).Format("0601"),
		kennzeichen: fmt.Sprintf("F-%05d-%05d", o.Reference, i+1),
		name:        pick(rng, "Mustermann", "Beispiel", "Erfunden", "Probefall-Größe", "Übungs", "Ausgedacht", "O'Beispiel"),
		vorname:     pick(rng, "Erika", "Max", "Änne", "Jörg", "Ute", "Süleyman", "Käthe"),
		geschlecht:  pick(rng, "m", "w", "d", "x"),
		geboren:     time.Date(1930, 1, 1+rng.IntN(90*365), 0, 0, 0, 0, time.UTC).Format("20060102"),
		strasse:     fmt.Sprintf("%s %d", pick(rng, "Musterstraße", "Am Beispielplatz", "Erfundene Gasse"), 1+rng.IntN(99)),
		ort:         pick(rng, "Musterstadt", "Bad Erfunden", "Köln-Nirgendwo"),
		tage:        1 + rng.IntN(14),
		diagnose:    diagnose(rng), abteilung: pick(rng, "0100", "0300", "1500", "2400"),
	}
	if len(o.Insured) > 0 {
		c.kvnr = o.Insured[i%len(o.Insured)]
	}
	if !annex.FromHospital(o.Type) {
		c.fallnummer = fmt.Sprintf("KK-%05d-%05d", o.Reference, i+1)
	}
	if i == 0 { // every file holds all characters that need a release, and umlauts
		c.zusatz = "Haus A+B: bei Söhnen, O'Beispiel?"
	}
	entlassung := o.Created.AddDate(0, 0, -1-rng.IntN(3))
	c.heute, c.bis = day(o.Created), day(o.Created.AddDate(0, 0, 7))
	c.aufnahme, c.entlassung = day(entlassung.AddDate(0, 0, -c.tage)), day(entlassung)
	return c
}

// KVNR invents a Krankenversichertennummer with a right check digit. The same
// number gives the same one.
func KVNR(n uint64) string {
	s := fmt.Sprintf("%c%08d", 'A'+n%26, n/26%100_000_000)
	return s + string(annex.KVNRCheckDigit(s))
}

// bodies tells what follows NAD in each type.
func bodies() map[string]func(*file, *fall, int) {
	return map[string]func(*file, *fall, int){
		"AUFN": aufn, "VERL": verl, "MBEG": mbeg, "ENTL": entl, "RECH": rech, "AMBO": ambo, "ZGUT": zgut, "INKA": inka,
		"KOUB": koub, "ANFM": anfm, "ZAHL": zahl, "ZAAO": zaao, "SAMU": samu, "KAIN": kain, "FEHL": fehl,
	}
}

func aufn(f *file, c *fall, _ int) {
	f.seg("DPV", year(c), year(c))
	f.seg("AUF", c.aufnahme, c.clock(), "0101", c.abteilung, c.entlassung, "999999900", "999999900")
	f.put("EAD", c.diagnose, nil, diagnose(c.rng))
}

func verl(f *file, c *fall, _ int) {
	f.seg("DPV", year(c), year(c))
	f.seg("DAU", c.aufnahme, c.bis)
	f.put("FAB", edifact.C(c.abteilung), c.diagnose)
}

// entl grows by further groups of ETL and NDG: first in number, up to 998, then
// in length, up to 40 NDG each.
func entl(f *file, c *fall, fill int) {
	f.site(c)
	f.seg("DPV", year(c), year(c))
	f.seg("DAU", c.aufnahme, c.entlassung)
	const bytesETL, bytesNDG = 40, 10
	etl := func(at, grund string, secondary int) {
		f.put("ETL", edifact.C(at), edifact.C(c.clock()), edifact.C(grund), edifact.C(c.abteilung), c.diagnose)
		for range secondary {
			f.put("NDG", diagnose(c.rng))
		}
	}
	secondary := min(40, max(2, (fill/998-bytesETL)/bytesNDG))
	for n := 0; n < 998 && fill > bytesETL; n++ { // 12: internal transfer
		etl(c.aufnahme, "129", secondary)
		fill -= bytesETL + secondary*bytesNDG
	}
	etl(c.entlassung, "011", 1+c.rng.IntN(3))
}

// rech grows by further ENT, then FAB, then STA, each up to its limit.
func rech(f *file, c *fall, fill int) {
	const bytesENT, bytesFAB, bytesSTA = 43, 42, 28
	more := func(bytes, most int) int {
		n := min(fill/bytes, most)
		fill -= n * bytes
		return n
	}
	entgelte := c.entgelte(2 + more(bytesENT, 96))
	fabs := 1 + more(bytesFAB, 29)
	for range 1 + more(bytesSTA, 98) {
		f.site(c)
	}
	f.seg("CUX", "EUR")
	f.seg("REC", c.rechnung(), c.heute, "52", c.aufnahme, euro(c.summe(entgelte)))
	f.seg("ZLG", euro(c.zuzahlung()), "2")
	for range fabs {
		f.put("FAB", edifact.C(c.abteilung), diagnose(c.rng), nil, nil, nil, edifact.C(c.aufnahme), edifact.C(pick(c.rng, "5-470.11", "5-790.16", "8-930"), "R"))
	}
	f.entgelte(c, entgelte)
	f.seg("BNK", "DE36000000000000000000", "MUSTDE00XXX")
}

func koub(f *file, c *fall, _ int) {
	f.seg("CUX", "EUR")
	f.seg("KOS", c.heute, "01", c.aufnahme, c.bis, "28", euro(50000))
	f.text("TXT", "", "Kostenübernahme für die Dauer der Behandlung: bis auf Weiteres + Verlängerung auf Antrag")
}

func zahl(f *file, c *fall, _ int) {
	entgelte := c.entgelte(2)
	f.seg("CUX", "EUR")
	f.seg("REC", c.rechnung(), c.heute, "52", c.aufnahme, euro(c.summe(entgelte)))
	f.seg("ZLG", euro(c.zuzahlung()), "2")
	f.seg("ZPR", euro(c.summe(entgelte)), "01")
	f.entgelte(c, entgelte)
}

func anfm(f *file, c *fall, _ int) {
	f.text("TXT", "", "", "Wir bitten um die medizinische Begründung: Warum war die Dauer nötig?")
}

func mbeg(f *file, _ *fall, _ int) {
	f.text("TXT", "Der Verlauf machte eine längere Behandlung nötig: siehe Befund + Verlauf.")
}

func ambo(f *file, c *fall, _ int) {
	punkte := 100 + c.rng.Int64N(900)
	f.seg("CUX", "EUR")
	f.seg("DPV", year(c), year(c))
	f.seg("REC", c.rechnung(), c.heute, "52", c.aufnahme, euro(2*punkte))
	f.seg("RZA", c.abteilung, "999999900", "999999900")
	f.put("BDG", c.diagnose)
	f.put("PRZ", edifact.C("5-790.16", "L"), edifact.C(c.aufnahme))
	f.seg("ENA", "00031502", "", "", "", c.aufnahme, "", "", euro(punkte), "2")
	f.seg("EZV", euro(100), "01", "Sachkosten", "1", c.aufnahme)
	f.seg("LEI", "A1", "1", c.aufnahme)
}

func zgut(f *file, c *fall, _ int) {
	f.seg("CUX", "EUR")
	f.seg("RED", c.rechnung(), c.heute, euro(c.zuzahlung()), "", "80", "", c.kennzeichen)
}

func zaao(f *file, c *fall, _ int) {
	betrag := 100 + c.rng.Int64N(90000)
	f.seg("CUX", "EUR")
	f.seg("REC", c.rechnung(), c.heute, "52", c.aufnahme, euro(betrag))
	f.seg("ZPR", euro(betrag), "01")
	f.seg("ENA", "00031502", "", "", "", c.aufnahme, "", "", euro(betrag), "1")
}

func samu(f *file, c *fall, _ int) {
	betrag := 100 + c.rng.Int64N(90000)
	f.seg("CUX", "EUR")
	f.seg("RED", c.rechnung(), c.heute, euro(betrag), "", "52", euro(betrag), c.kennzeichen)
	f.seg("REL", c.rechnung(), euro(betrag), "52", euro(betrag))
	f.seg("UWD", euro(betrag), euro(betrag), f.o.Sender, "S"+c.kennzeichen)
}

func kain(f *file, c *fall, _ int) {
	f.seg("PVV", "PF000", c.rechnung(), c.heute)
	f.text("PVT", "Bitte prüfen: War die Dauer nötig?")
}

func inka(f *file, c *fall, _ int) {
	f.seg("PVV", "FDI01", c.rechnung(), c.heute)
	f.text("PVT", "Der Verlauf war verzögert + erschwert.")
}

func fehl(f *file, _ *fall, _ int) {
	f.text("FHL", "INV", "1", "1", "G4-001", "UNH 00001 Versicherter nicht bekannt: A+B?'ü ö")
}

// standort is an invented Standortnummer.
const standort = "770000000"

// An entgelt is one line of an invoice, in cents.
type entgelt struct {
	art    string
	betrag int64
	anzahl int64
}

// entgelte invents n lines: a DRG first, then what is billed per day.
func (c *fall) entgelte(n int) []entgelt {
	lines := make([]entgelt, n)
	daily := "74000000" // since 2020
	if c.aufnahme < "2020" {
		daily = "01000000"
	}
	for i := range lines {
		lines[i] = entgelt{pick(c.rng, daily, "46000001", "48000001"), 100 + c.rng.Int64N(30000), int64(c.tage)}
	}
	lines[0] = entgelt{"70G67B00", 100000 + c.rng.Int64N(900000), 1}
	return lines
}

// zuzahlung is ten euros a day, for 28 days at most.
func (c *fall) zuzahlung() int64 { return int64(min(c.tage, 28)) * 1000 }

// summe is the amount of the invoice: REC.5 = sum of ENT.2 times ENT.5 minus ZLG.1.
func (c *fall) summe(lines []entgelt) int64 {
	sum := -c.zuzahlung()
	for _, e := range lines {
		sum += e.betrag * e.anzahl
	}
	return sum
}

func (f *file) entgelte(c *fall, lines []entgelt) {
	for _, e := range lines {
		f.seg("ENT", e.art, euro(e.betrag), c.aufnahme, c.entlassung, strconv.FormatInt(e.anzahl, 10))
	}
}

func (c *fall) rechnung() string { return "R" + c.kennzeichen }

// clock invents a time of day, HHMM.
func (c *fall) clock() string { return fmt.Sprintf("%02d%02d", 7+c.rng.IntN(12), c.rng.IntN(60)) }

// diagnose invents an ICD code with or without its side.
func diagnose(rng *rand.Rand) edifact.Element {
	switch rng.IntN(6) {
	case 0:
		return edifact.C("S52.50", "R")
	case 1:
		return edifact.C("M17.1", "L")
	}
	return edifact.C(pick(rng, "M50.8", "I10.00", "J18.9", "K80.20"))
}

func pick[T any](rng *rand.Rand, from ...T) T { return from[rng.IntN(len(from))] }

func day(t time.Time) string { return t.Format("20060102") }

func year(c *fall) string { return c.aufnahme[:4] }

// euro writes cents with the decimal comma of § 301: at least one digit before it.
func euro(cents int64) string {
	b := strconv.AppendInt(make([]byte, 0, 24), cents/100, 10)
	return string(append(b, ',', byte('0'+cents/10%10), byte('0'+cents%10)))
}
