// Package edifact reads and writes UN/EDIFACT interchanges as a stream (ISO
// 9735, syntax versions 1 to 3). It knows the syntax and the service segments
// and nothing of § 301.
package edifact
