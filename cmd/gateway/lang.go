package main

import (
	"os"
	"strings"

	"github.com/spf13/cobra"

	"gateway301/exchange"
)

// german reports whether a command speaks German: by --lang, else by the locale.
func german(c *cobra.Command) bool {
	if lang, err := c.Flags().GetString("lang"); err == nil && lang != "" {
		return strings.HasPrefix(lang, "de")
	}
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if v := os.Getenv(name); v != "" {
			return strings.HasPrefix(v, "de")
		}
	}
	return false
}

// words gives the text in a command's language.
func words(c *cobra.Command, de, en string) string {
	if german(c) {
		return de
	}
	return en
}

// stateName is a state as operators call it.
func stateName(c *cobra.Command, s exchange.State) string {
	if !german(c) {
		return string(s)
	}
	return map[exchange.State]string{
		exchange.Taken: "übernommen", exchange.Drafted: "zu schreiben", exchange.Routed: "zugeordnet", exchange.Sealed: "versiegelt",
		exchange.Sending: "wird gesendet", exchange.Unknown: "Ausgang unklar", exchange.Delivered: "zugestellt", exchange.Overdue: "Antwort überfällig",
		exchange.Uncontested: "unbeanstandet", exchange.Received: "empfangen", exchange.Opened: "geöffnet", exchange.Handing: "wird übergeben",
		exchange.Accepted: "angenommen", exchange.Rejected: "abgewiesen", exchange.Held: "angehalten", exchange.Quarantined: "Quarantäne", exchange.Cancelled: "zurückgezogen",
	}[s]
}

// causeName is a cause as operators call it.
func causeName(c *cobra.Command, cause exchange.Cause) string {
	names := map[exchange.Cause][2]string{
		exchange.ByCheck:          {"eigene Prüfung", "own check"},
		exchange.ByPartner:        {"vom Partner", "by the partner"},
		exchange.ByHand:           {"von Hand", "by hand"},
		exchange.NoRoute:          {"keine Route", "no route"},
		exchange.ByRoute:          {"von der Route angehalten", "held by its route"},
		exchange.NoPartner:        {"Partner nicht mehr eingerichtet", "partner not configured"},
		exchange.Unfinished:       {"unfertig", "unfinished"},
		exchange.WrongMode:        {"TEST und ECHT verwechselt", "TEST and ECHT mixed up"},
		exchange.NotEntitled:      {"nicht berechtigt", "not entitled"},
		exchange.KeyProblem:       {"Schlüssel oder Zertifikat", "key or certificate"},
		exchange.NumbersExhausted: {"Transfernummern erschöpft", "transfer numbers exhausted"},
		exchange.NameTaken:        {"Name beim Partner belegt", "name taken at the partner"},
		exchange.PartnerRefused:   {"vom Server verweigert", "refused by the server"},
		exchange.LoginFailed:      {"Anmeldung gescheitert", "login failed"},
		exchange.HostKey:          {"fremder Hostschlüssel", "unknown host key"},
		exchange.TriesExhausted:   {"Versuche erschöpft", "tries exhausted"},
		exchange.OutcomeUnknown:   {"Ausgang unklar", "outcome unknown"},
		exchange.Orphan:           {"Antwort ohne Bezug", "orphan answer"},
		exchange.Ambiguous:        {"Antwort mehrdeutig", "ambiguous answer"},
		exchange.Contradicts:      {"Antwort widerspricht früherer", "contradicts an earlier answer"},
		exchange.CannotOpen:       {"nicht zu öffnen", "cannot be opened"},
		exchange.Incomplete:       {"unvollständiges Paar", "incomplete pair"},
		exchange.BadOrder:         {"Auftragsdatei fehlerhaft", "bad Auftragsdatei"},
		exchange.NotForUs:         {"nicht für uns", "not for us"},
		exchange.Unrecognised:     {"unbekannte Datei", "unrecognised file"},
		exchange.Empty:            {"leer", "empty"},
		exchange.Unreadable:       {"nicht lesbar", "unreadable"},
		exchange.Oversize:         {"zu groß", "oversize"},
		exchange.SpoolDamaged:     {"Spool beschädigt", "spool damaged"},
		exchange.Duplicate:        {"doppelt", "duplicate"},
		exchange.OrderGap:         {"Lücke in der Reihenfolge", "gap in the order"},
		exchange.PartlyRefused:    {"teilweise abgewiesen", "partly refused"},
	}
	if n, ok := names[cause]; ok {
		return words(c, n[0], n[1])
	}
	return string(cause)
}

// happeningName is what moved a delivery, as operators call it.
func happeningName(c *cobra.Command, h exchange.Happening) string {
	if !german(c) {
		return string(h)
	}
	if de, ok := map[exchange.Happening]string{
		exchange.TookOver: "übernommen", exchange.Arrived: "abgeholt", exchange.Drafting: "beschlossen", exchange.Written: "geschrieben",
		exchange.RouteFound: "zugeordnet", exchange.WasSealed: "signiert und verschlüsselt", exchange.Begun: "Versuch begonnen",
		exchange.Publishing: "Auftragsdatei wird veröffentlicht", exchange.Proven: "zugestellt", exchange.LineFailed: "Leitung gestört",
		exchange.Stopped: "von uns abgebrochen", exchange.Unclear: "Ausgang unklar", exchange.Interrupted: "unterbrochen", exchange.NotThere: "nicht dort", exchange.Outdated: "Schlüssel überholt, wird neu versiegelt",
		exchange.Postponed: "verschoben", exchange.Confirmed: "angenommen", exchange.Refused: "abgewiesen", exchange.PeriodPassed: "unbeanstandet",
		exchange.AnswerLate: "Antwort überfällig", exchange.Holding: "angehalten", exchange.Released: "freigegeben", exchange.Redrafted: "neu zu schreiben",
		exchange.Reopened: "wieder geöffnet", exchange.Vouched: "von Hand belegt", exchange.Resumed: "freigegeben, erst nachsehen", exchange.Withdrawn: "zurückgezogen",
		exchange.Judged: "geöffnet und geprüft", exchange.Staged: "bereitgelegt", exchange.HandedOver: "übergeben", exchange.Settled: "zugeordnet",
		exchange.Retrying: "wird wiederholt", exchange.Noted: "Vermerk", exchange.Quarantining: "in Quarantäne",
	}[h]; ok {
		return de
	}
	return string(h)
}

// answerText is what a partner answered: the verdict and the places in the
// operator's language, the partner's own texts as they came.
func answerText(c *cobra.Command, answer string) string {
	if !german(c) {
		return answer
	}
	lines := strings.Split(answer, "\n")
	for i, line := range lines {
		place, rest, _ := strings.Cut(line, ": ")
		place = strings.NewReplacer("accepted with hint", "angenommen mit Hinweis", "accepted", "angenommen", "rejected", "abgewiesen",
			"code ", "Fehler ", "message ", "Nachricht ", "segment ", "Segment ", "element ", "Element ").Replace(place)
		if lines[i] = place; rest != "" {
			lines[i] += ": " + rest
		}
	}
	return strings.Join(lines, "\n")
}
