package house

// A row says what a folder may import of ours. Folders are paths below the
// module; "crypto/..." means crypto with all its children.
type row struct {
	code  []string // every file
	tests []string // test files besides; test gear, suites and sample need no mention
}

// table is the house. A folder that is not here does not exist.
func table() map[string]row {
	all := []string{"..."}
	return map[string]row{
		"exchange": {},
		"edifact":  {},
		"annex":    {code: []string{"edifact"}},

		"crypto":                 {code: []string{"crypto/..."}},
		"crypto/cms":             {code: []string{"crypto/..."}},
		"crypto/pgp":             {code: []string{"crypto/..."}},
		"crypto/keys":            {code: []string{"crypto/..."}},
		"crypto/internal/rsaalg": {},

		"channels":             {},
		"channels/sftp":        {code: []string{"channels"}, tests: []string{"channels/..."}},
		"channels/folder":      {code: []string{"channels"}, tests: []string{"channels/..."}},
		"channels/dropserver":  {code: []string{"channels"}, tests: []string{"channels/..."}},
		"channels/channeltest": {tests: []string{"channels/..."}},

		"schedule": {},
		"config":   {code: []string{"exchange", "annex", "schedule"}},
		"intake":   {code: []string{"exchange", "edifact", "annex"}},
		"acks":     {code: []string{"exchange", "edifact", "annex"}},
		"store":    {code: []string{"exchange"}},
		"alert":    {code: []string{"exchange"}},
		"web":      {code: []string{"exchange"}},
		"watch":    {code: []string{"exchange", "schedule"}},

		// The stations of the road. Which channel fulfils the contract is decided in cmd.
		"pipeline": {
			code:  []string{"exchange", "schedule", "intake", "edifact", "annex", "crypto/...", "channels", "acks"},
			tests: []string{"store", "channels/..."},
		},

		"sample":      {code: []string{"exchange", "edifact", "annex", "crypto/...", "channels/..."}},
		"cmd/gateway": {code: all},

		"internal/house":   {},
		"internal/faultfs": {},
		"internal/relay":   {},

		// Holds units and their test, no program.
		"systemd": {},
	}
}

// alone says which foreign imports belong to one folder. Commands and tests are
// free of it.
func alone() map[string]string {
	return map[string]string{
		"net/http":              "web",
		"github.com/prometheus": "web",
	}
}
