package alert

import (
	"fmt"
	"strings"
	"time"

	"gateway301/exchange"
)

// pick gives a text in the language of the bell.
func pick(german bool, de, en string) string {
	if german {
		return de
	}
	return en
}

// Title is the kind in a few words.
func Title(k exchange.AlarmKind, german bool) string {
	titles := map[exchange.AlarmKind][2]string{
		exchange.AlarmHeld:           {"angehalten", "held"},
		exchange.AlarmQuarantined:    {"in Quarantäne", "quarantined"},
		exchange.AlarmRejected:       {"abgewiesen", "rejected"},
		exchange.AlarmOverdue:        {"Antwort überfällig", "answer overdue"},
		exchange.AlarmUnknown:        {"Ausgang unklar", "outcome unknown"},
		exchange.AlarmPartnerStopped: {"Partner gestoppt", "partner stopped"},
		exchange.AlarmKeyExpiring:    {"Zertifikat läuft ab", "certificate expires"},
		exchange.AlarmWindowMissed:   {"Fenster verpasst", "window missed"},
		exchange.AlarmSilent:         {"Abholung ohne Erfolg", "collection without success"},
		exchange.AlarmNothingArrived: {"nichts angekommen", "nothing arrived"},
		exchange.AlarmDiskFloor:      {"Platz zu Ende", "disk full"},
		exchange.AlarmImbalance:      {"Bilanz stimmt nicht", "imbalance"},
		exchange.AlarmCalendarEnds:   {"Kalender endet", "calendar ends"},
		exchange.AlarmDeadline:       {"Frist", "deadline"},
	}
	t := titles[k]
	return pick(german, t[0], t[1])
}

// What says in one line what is wrong.
func What(c exchange.Condition, german bool) string {
	say := func(de, en string) string { return pick(german, de, en) }
	files := fmt.Sprintf("%d %s", c.Count, pick(german, plural(c.Count, "Lieferung", "Lieferungen"), plural(c.Count, "delivery", "deliveries")))
	switch c.Kind {
	case exchange.AlarmHeld:
		return files + say(" angehalten: ", " held: ") + c.Subject
	case exchange.AlarmQuarantined:
		return files + say(" in Quarantäne: ", " in quarantine: ") + c.Subject
	case exchange.AlarmRejected:
		return files + say(" abgewiesen: ", " rejected: ") + c.Subject
	case exchange.AlarmOverdue:
		return files + say(" ohne die zugesagte Antwort: ", " without the promised answer: ") + c.Subject
	case exchange.AlarmUnknown:
		return files + say(" mit unklarem Ausgang: ", " with unknown outcome: ") + c.Subject
	case exchange.AlarmWindowMissed:
		return files + say(" haben ihr Sendefenster verpasst: ", " missed the window: ") + c.Subject
	case exchange.AlarmPartnerStopped:
		return c.Subject + say(" wird nicht mehr angerufen (Anmeldung oder Serverschlüssel)", " is not called any more (login or host key)")
	case exchange.AlarmSilent:
		return say("keine erfolgreiche Abholung bei ", "no successful collection at ") + c.Subject
	case exchange.AlarmNothingArrived:
		return say("nichts angekommen, wo etwas erwartet wird: ", "nothing arrived where something is expected: ") + c.Subject
	case exchange.AlarmKeyExpiring:
		if c.Count < 0 {
			return say("abgelaufen: Zertifikat von ", "expired: certificate of ") + c.Subject
		}
		return fmt.Sprintf(say("Zertifikat von %s läuft in %d Tagen ab", "the certificate of %s expires in %d days"), c.Subject, c.Count)
	case exchange.AlarmDiskFloor:
		return say("weniger freier Platz als disk-floor, die Übernahme ruht: ", "less free space than disk-floor, intake pauses: ") + c.Subject
	case exchange.AlarmImbalance:
		return fmt.Sprintf(say("die Bilanz der übernommenen Dateien weicht um %d ab", "the balance of files taken over is out by %d"), c.Count)
	case exchange.AlarmCalendarEnds:
		return fmt.Sprintf(say("der Kalender gilt noch %d Tage, danach lassen sich Fristen nicht berechnen", "the calendar holds for %d more days, then no deadline can be worked out"), c.Count)
	case exchange.AlarmDeadline:
		return fmt.Sprintf(say("%d Fristen (§ 4) überschritten oder heute fällig: %s", "%d deadlines (§ 4) passed or due today: %s"), c.Count, c.Subject)
	}
	return string(c.Kind) + " " + c.Subject
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// Next says what an operator does about it.
func Next(c exchange.Condition, german bool) string {
	say := func(de, en string) string { return pick(german, de, en) }
	switch c.Kind {
	case exchange.AlarmHeld:
		return say("gateway queue list --state held; Ursache beheben, dann gateway queue release ID", "gateway queue list --state held; mend the cause, then gateway queue release ID")
	case exchange.AlarmQuarantined:
		return say("gateway queue list --state quarantined; die Dateien liegen im Quarantäneordner", "gateway queue list --state quarantined; the files lie in the quarantine folder")
	case exchange.AlarmRejected:
		return say("gateway trace ID nennt Nachricht und Segment; berichtigte Datei neu einstellen", "gateway trace ID names message and segment; hand in a corrected file")
	case exchange.AlarmOverdue:
		return say("beim Partner nachfragen", "ask the partner")
	case exchange.AlarmUnknown:
		return say("gateway queue list --state unknown; Leitung prüfen, beim Partner nachfragen", "gateway queue list --state unknown; look at the line, ask the partner")
	case exchange.AlarmPartnerStopped:
		return say("Zugang klären, dann gateway partner resume ", "clear the login, then gateway partner resume ") + c.Subject
	case exchange.AlarmWindowMissed:
		return say("gateway status; notfalls window erweitern", "gateway status; if need be widen the window")
	case exchange.AlarmSilent:
		return say("Leitung und Zugang prüfen: gateway status", "look at line and login: gateway status")
	case exchange.AlarmNothingArrived:
		return say("beim Absender nachfragen", "ask the sender")
	case exchange.AlarmKeyExpiring:
		return say("gateway key expiring", "gateway key expiring")
	case exchange.AlarmDiskFloor:
		return say("Platz schaffen; die Übernahme geht von selbst weiter", "make room; intake goes on by itself")
	case exchange.AlarmImbalance:
		return say("nichts löschen; Kontobuch und Spool sichern", "delete nothing; save ledger and spool")
	case exchange.AlarmCalendarEnds:
		return say("Feiertage durchsehen, dann calendar.valid-through weitersetzen", "look through the holidays, then move calendar.valid-through")
	case exchange.AlarmDeadline:
		return say("gateway deadlines", "gateway deadlines")
	}
	return "gateway status"
}

// compose writes one message of all that a sender has to tell: what is wrong
// first, then what is over.
func (b *Bell) compose(news []exchange.Alarm, sender string, now time.Time) Message {
	var m Message
	var wrong, over strings.Builder
	var titles []string
	for _, a := range news {
		what := What(a.Condition, b.German)
		if !a.Cleared.IsZero() {
			fmt.Fprintf(&over, "- %s\n", what)
			continue
		}
		told, again := a.Told[sender]
		if !again || weight(a.Condition) > told.Weight {
			m.Urgent = true
		}
		if title := Title(a.Kind, b.German); len(titles) == 0 || titles[len(titles)-1] != title {
			titles = append(titles, title)
		}
		fmt.Fprintf(&wrong, "- %s\n", what)
		if !a.Since.IsZero() {
			fmt.Fprintf(&wrong, "  %s %s\n", pick(b.German, "seit", "since"), a.Since.In(now.Location()).Format("2006-01-02 15:04"))
		}
		fmt.Fprintf(&wrong, "  → %s\n  [%s]\n", Next(a.Condition, b.German), a.Key())
	}
	m.Subject = "Gateway 301 " + b.Host + ": " + strings.Join(titles, ", ")
	if len(titles) == 0 {
		m.Subject = "Gateway 301 " + b.Host + ": " + pick(b.German, "erledigt", "over")
	}
	m.Text = wrong.String()
	if over.Len() > 0 {
		m.Text += pick(b.German, "Erledigt:\n", "Over:\n") + over.String()
	}
	if wrong.Len() > 0 {
		m.Text += pick(b.German, "\nGesehen? gateway alert ack --all (oder der Schlüssel in eckigen Klammern) beendet die Wiederholung.\n",
			"\nSeen it? gateway alert ack --all (or a key in brackets) ends the repetition.\n")
	}
	return m
}
