// Package web shows over HTTP on this machine how the gateway is: a status page
// for people, health and metrics for programs. It only shows; nothing can be
// changed here, and nobody outside this machine can ask.
//
//	/         the status page, in German or English as the browser asks
//	/healthz  200 while the process answers
//	/readyz   200 when the ledger answers and work is done, else 503 with the reason
//	/night    200 when the last night is complete, else 503 with what is missing
//	/metrics  for Prometheus
//
// Names and units of the metrics follow the conventions of Prometheus. Labels are
// names of the configuration, states and results; a file name, a case or anything
// else out of a file has no place in a [Snapshot].
package web
