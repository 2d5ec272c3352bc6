// Package annex knows what the Anlagen to the Vereinbarung under § 301 Abs. 3
// SGB V and the Gemeinsame Grundsätze Technik (GGT) say: Institutionskennzeichen,
// file names, the Auftragsdatei, the check of a file's envelope and the
// Fehlernachricht FEHL. What EDIFACT itself says is package edifact's business.
//
// # Terms
//
//   - An IK (Institutionskennzeichen) is nine digits, the last a check digit.
//   - VERFAHREN_KENNUNG is five characters: E (Echt) or T (Test), three letters
//     of the Verfahren, a version digit: "EKRH0", "TKRH0".
//   - A transfer name is VERFAHREN_KENNUNG and transfer number: "EKRH0001". The
//     Auftragsdatei beside it has the same stem: "EKRH0001.AUF".
//   - The Anwendungsreferenz is the logical file name, 8 to 11 characters, the
//     same in UNB 0026 and in the Auftragsdatei (DATEINAME).
//   - A stage (Stufe) is a layer of the Fehlerverfahren, Anlage 4 chapter 6:
//     1 file and structure, 2 syntax, 3 field contents, 4 the payer's own.
//   - A Geschäftsvorfall is what one FKT segment opens.
//   - The version of a message follows from the day of admission; several are in
//     flight at the same time.
//   - A mark says how well a fact is founded: S1 (the Vereinbarung, a Fortschreibung,
//     the error codes, GGT), S2 (a program, a sample, a vendor), A (a sibling
//     Verfahren), R (recalled). Only S1, or two of S2, makes an error by default.
//
// # Tables
//
// What changes several times a year is data, one readable file each: the segment
// table of a message and version in data/messages, a code list of Anlage 2 in
// data/lists, the days of the versions in data/versions.txt. [LoadTables] reads them
// and those of a folder that adds to or overrides them by day; a table that
// contradicts itself is refused with its line.
//
//	interchange  stage 1, always
//	  message    stage 2 by its table: order, repeats, lengths, types
//	    value    stage 3 by lists, dates, check digits; sums and days across segments
//	  message    stage 4: MessageCheck, a Hook
//
// After a stage has failed for a message, later ones are not checked. What stages 2
// and 3 find are warnings until CheckOptions.Confirmed is set.
//
// # Sources
//
// Doc comments name the source: "GGT 2" is GGT Anlage 2 (Auftragssatz), "FC" the
// catalogue of error codes in Anlage 2 Anhang C, "Anlage 4" the Technische
// Anlage. What no source says is our own choice and marked so; codes of our own
// are never all digits ("G1-005") and keep their meaning for ever.
//
// # What this package refuses to do
//
// It moves no files, knows no partners and keeps no state between files. It
// never puts a field value of a message into a text: only values of service
// segments (UNB, UNH, UNT, UNZ) and the IKs in FKT, which say nothing about
// patients.
package annex
