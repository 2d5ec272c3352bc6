// Package config turns the YAML that an admin writes into checked values: every
// default filled in, every path absolute, every name resolved. All mistakes come
// at once, each with file, line, column and what to do about it:
//
//	gateway.yaml:25:5: partners[0]: unknown key "windw"; did you mean "window"?
//	gateway.yaml:28:79: routes[0].partner: unknown partner "kase"; did you mean "kasse"?
//
//	file, problems, err := config.Load("gateway.yaml")
//	switch {
//	case err != nil: // the file cannot be read
//	case problems.Err() != nil: // it must not be used; file is nil
//	}
//
// Doubt means no: an unknown key, a key given twice, a route that no file can
// reach or a secret that others may read are errors. Warnings are for what may be
// meant so.
//
// # The dialect
//
// UTF-8, one document, no tags and no merge keys. Anchors and aliases may stand
// for whole values, up to 100,000 values more than are written. With include, the
// files of a folder belong to it, too: their rows and lists follow those of the main
// file. Nodes of all files are numbered through by line, so that a node alone tells
// the file of its problem.
//
// A problem comes with its line and a caret ([Problem.Detail]). The line shows a value only
// where the dialect knows its key as harmless: a wrong key may be a password's.
//
// dialect.yaml shows every key once, with a line on what it is for. Form, default
// and limits are noted from the loader while it asks for the keys ([Fields]). From
// the two together come docs/configuration.md ([Reference]) and the JSON Schema for
// editors, docs/gateway.schema.json ([Schema]). A key is added in three places: where
// the loader asks for it, in dialect.yaml, and in testdata/full.yaml; then
// "go test ./config -update" writes the two again.
//
// # Values
//
//   - An IK has nine digits and a right check digit; quotes are optional.
//     Placeholders such as 123456789 are refused.
//   - A name has letters, digits, dot, dash and underscore, 64 at most. Outboxes
//     and partners share one set of names, because both are accounts.
//   - A duration is whole numbers with the units d (24 hours), h, m, s, ms: 14d,
//     2h30m. A size is a whole number with B, kB, MB, GB, TB (by 1000), KiB, MiB,
//     GiB or TiB (by 1024). A bare number is refused: which unit would it be?
//   - Paths are relative to the folder of the YAML file as it was named; ~ is not
//     expanded. A folder of ours that does not exist is created by the service
//     (0700), and a warning says so.
//   - A secret is a reference, never the value: file:PATH (readable by its owner
//     alone), env:NAME, credential:NAME (systemd LoadCredential=). No problem ever
//     repeats what stands where a secret belongs.
//
// # What it refuses to do
//
// It reads no keys and certificates, opens no connection, creates no folder, and
// does not know the ledger: whoever has it drops [CodeFirstNumber] for partners
// with history. It writes no YAML.
package config
