// Package acks turns what a partner answered into an [exchange.Receipt] and
// finds the delivery of ours that it is about.
//
// # What is an answer
//
//   - a FEHL interchange: Fehlernachricht, or confirmation, or confirmation with
//     a hint; which of them is told by FHL.4 and what the partner's row says
//     about its codes ([Codes]);
//   - messages of ours that came back with FHL segments inside;
//   - an Auftragsdatei that came back with FEHLER_NUMMER or FEHLER_MASSNAHME.
//
// Business messages (KOUB, ZAHL, …) are no answers in this sense, even though
// they answer something: they go to the hospital's back end.
//
// # Whose answer is it
//
// A receipt names a delivery or it does not. There is no nearest one:
//
//	FEHL           UNB 0026 = Anwendungsreferenz of the delivery
//	               UNB sender and recipient = those of the delivery, swapped
//	Auftragsdatei  transfer name and DATUM_ERSTELLUNG of the delivery, its
//	               Anwendungsreferenz, its two parties
//
// Use, with the deliveries that the ledger knows for the Anwendungsreferenz or
// transfer name:
//
//	receipts, err := acks.Read(f, codes)
//	delivery, err := acks.Match(receipts[0], candidates)
//
// # What this package refuses to do
//
// It neither stores nor decides: whether an answer to an answered delivery is a
// duplicate or a contradiction is seen from the delivery's state, by the caller.
package acks
