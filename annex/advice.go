package annex

// NextStep says what to do about a finding of the rule.
func (r Rule) NextStep() (de, en string) {
	switch r.Code {
	case "10044":
		return "Uhr des erzeugenden Systems prüfen.", "Check the clock of the system that made the file."
	case "10041", "10042", "10043", "10049":
		return "Stammdaten der Kommunikationspartner prüfen; Empfänger berichtigen oder den Partner aufnehmen.",
			"Check the list of communication partners; correct the recipient or add the partner."
	case "10047":
		return "Prüfen, ob eine Datei fehlt oder doppelt gesendet wurde; nicht einfach erneut senden.",
			"Find out whether a file is missing or was sent twice; do not simply send it again."
	case "10061", "10066", "10067", "G1-017":
		return "Auftragsdatei und Nutzdatendatei gehören nicht zusammen: das Paar neu erzeugen.",
			"Auftragsdatei and payload do not belong together: make the pair anew."
	case "10006":
		return "Die Datei ist abgeschnitten: im Quellsystem neu ausgeben und vollständig übertragen.",
			"The file was cut: write it anew in the source system and transfer all of it."
	case "G1-010", "G1-011", "G3-004", "G3-005":
		return "IK im Stammsatz berichtigen.", "Correct the IK in the master data."
	case "G2-001", "G2-002":
		return "Tabelle dieser Nachricht und Version ergänzen (--tables), sonst bleiben die Stufen 2 und 3 ungeprüft.",
			"Add a table of this message and version (--tables); otherwise stages 2 and 3 stay unchecked."
	case "G3-010", "G3-011":
		return "Die Version richtet sich nach dem Aufnahmetag, nicht nach dem Sendetag: Nachricht in der richtigen Version neu erzeugen.",
			"The version follows from the day of admission, not of sending: make the message anew in the right version."
	case CodeNotEntitled:
		return "Absender, Unterzeichner und Zertifikat prüfen; wer für andere spricht, muss bei der Annahmestelle angemeldet sein.",
			"Check sender, signer and certificate; who speaks for others must be known to the Annahmestelle."
	case CodeWholeFile:
		return "Die genannten Nachrichten berichtigen und die ganze Datei neu senden: auch ihre guten Nachrichten gelten als nicht angenommen.",
			"Correct the messages that are named and send the whole file anew: its good messages do not count as accepted either."
	case "G4-001":
		return "Versichertennummer und Kostenträger mit der Karte vergleichen.", "Compare the Versichertennummer and the Kostenträger with the card."
	}
	switch r.Stage {
	case 1:
		return "Datei im Quellsystem neu erzeugen; die Annahmestelle weist sie als Ganzes ab.",
			"Make the file anew in the source system; the Annahmestelle refuses it as a whole."
	case 2:
		return "Nachricht im Quellsystem neu erzeugen; bleibt der Fehler, den Hersteller fragen.",
			"Make the message anew in the source system; if the fault stays, ask its vendor."
	case 3:
		return "Angabe im Fall berichtigen und die Nachricht neu erzeugen.", "Correct the value in the case and make the message anew."
	}
	return "Den Kostenträger fragen.", "Ask the Kostenträger."
}
