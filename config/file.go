package config

import (
	"net/netip"
	"time"

	"golang.org/x/crypto/ssh"

	"gateway301/annex"
	"gateway301/exchange"
	"gateway301/schedule"
)

// A File is a checked configuration: every default filled in, every path
// absolute, every name resolved. doc.go describes the keys.
type File struct {
	Path       string   // of the main YAML file, absolute
	Include    string   // folder of further YAML files; empty: none
	Reload     bool     // the service takes up changed files by itself
	Unended    []string // files without a line end at their end: were they saved completely?
	Hash       string   // SHA-256 over the text of all files, hex
	Ledger     string   // path of the SQLite file
	Store      Store
	DSN        Secret        // of the PostgreSQL database; zero with SQLite
	Takeover   time.Duration // silence of a node after which others go on with its work
	Spool      string        // folder
	TimeZone   *time.Location
	DiskFloor  int64 // bytes
	Transfers  int   // calls to partners' servers at the same time
	Identities []Identity
	Trust      Trust
	Outboxes   []Outbox
	Partners   []Partner
	Routes     []exchange.Route   // in order; the first that fits wins
	SpeaksFor  []exchange.Mandate // exceptions to the rule of equality
	Checks     Checks
	Web        *Web // nil: nothing is shown over HTTP
	Alerts     Alerts
	Server     *Server // nil: no built-in drop server
}

// A Store says which database the ledger lives in.
type Store string

// The choices.
const (
	StoreSQLite   Store = "sqlite"
	StorePostgres Store = "postgres"
)

// Shared reports whether several nodes may work on the ledger at once.
func (f *File) Shared() bool { return f.Store == StorePostgres }

// An Identity is one of our own IKs with its keys.
type Identity struct {
	IK      string
	Name    string
	Keys    []Key  // at least one; the first is the one in the row itself
	OwnCopy bool   // what it sends opens with its own key, too
	Inbox   string // folder; empty when nothing is collected
	PGP     []Key  // OpenPGP keys, for partners with whom that was agreed; without Certificate
}

// A Key is a private key of ours and its certificate.
type Key struct {
	Key         Secret
	Password    Secret // zero: the key is not encrypted
	Certificate string // file; empty: in the key's file, which is PKCS#12
}

// Trust holds the certificates we believe and those we encrypt to.
type Trust struct {
	Roots        []string // files
	Certificates []string // files or folders
	CRLs         []string // files
	Exceptions   []Exception
}

// An Exception is what one holder of certificates needs beyond the rules.
type Exception struct {
	IK          string
	Certificate string // file with the one to encrypt to; empty: chosen by IK
	ShortKey    bool   // RSA from 2048 bits
	Write       WritingProfile
	Read        []OldForm
	Reason      string
	Until       time.Time // the first moment at which all but Certificate no longer holds
}

// Weak reports whether the exception lets weaker keys or algorithms in.
func (e *Exception) Weak() bool {
	return e.ShortKey || e.Write == WriteLegacyPKCS1 || len(e.Read) > 0
}

// A WritingProfile says with which algorithms is sealed.
type WritingProfile string

// The choices.
const (
	WriteSECON       WritingProfile = "secon"
	WriteLegacyPKCS1 WritingProfile = "legacy-pkcs1"
)

// An OldForm is something that the profile does not take.
type OldForm string

// The choices.
const (
	OldKeyTransport OldForm = "pkcs1-key-transport" // RSAES-PKCS1-v1_5
	OldSignature    OldForm = "pkcs1-signature"     // RSASSA-PKCS1-v1_5
	OldHashes       OldForm = "other-hashes"        // SHA-384 and SHA-512
)

// An Outbox is a folder in which the hospital system lays down finished files.
type Outbox struct {
	Name         string
	Path         string
	Owner        string // ABSENDER_EIGNER, one of the identities
	Physical     string // ABSENDER_PHYSIKALISCH
	Mode         exchange.Mode
	Marker       string // suffix; empty: none
	Looks        int
	Every        time.Duration
	MaxSize      int64         // bytes
	Ignore       []string      // suffixes of unfinished files
	Quarantine   string        // folder
	Share        bool          // Path must lie on a network mount
	ExpectWithin time.Duration // something is laid down at least so often; 0: not watched
}

// A Partner is one directly connected exchange partner: what was agreed with it
// (the embedded [exchange.Partner]), how it is reached and when. Exactly one of
// SFTP and Folder is set.
type Partner struct {
	exchange.Partner

	First *int // first-number as given; nil when it was not (then FirstNumber is 0)

	SFTP   *SFTP
	Folder *Folder

	PGP []PGPKey // whom we encrypt for and believe, in OpenPGP; none: CMS

	Window          schedule.Window // of sending
	Grace           time.Duration   // for finishing a pair after the window closed
	Collect         schedule.Window
	CollectEvery    time.Duration
	SilentAfter     time.Duration // without a successful look while collecting is open
	ExpectWithin    time.Duration // something comes at least so often; 0: not watched
	IncompleteAfter time.Duration
	Retry           schedule.Backoff

	AcceptCodes   []string // FHL.4 codes that mean accepted
	HintCodes     []string // … accepted with hint
	AnswerProfile string   // of annex

	Severities map[string]annex.Severity // of rules, by their code
	Codes      map[string]string         // codes of ours → FHL.4
	Charset    annex.Zeichensatz
	Procedure  string // name of a profile of annex that has a VERFAHREN_KENNUNG
}

// A PGPKey is a partner's OpenPGP key.
type PGPKey struct {
	IK      string // whose it is; the key itself does not tell
	Key     string // file
	SEIPDv2 bool   // its program reads version 2 of the integrity protected packet
}

// Collected reports whether the partner has a folder that we fetch from.
func (p *Partner) Collected() bool {
	return p.SFTP != nil && p.SFTP.Get != "" || p.Folder != nil && p.Folder.Get != ""
}

// An SFTP says how to reach a partner's server. HostKeys, NextHostKeys or
// KnownHosts is set, and Key, Agent or Password. What is zero is as the profile says.
type SFTP struct {
	Address      string   // host:port
	Fallbacks    []string // more addresses of the same server
	SSHLogin              // at the server
	NextHostKeys []DatedKey
	Agent        string        // path of the socket; empty: none
	AgentKey     ssh.PublicKey // nil: all keys that the agent holds
	Certificate  string        // file with the OpenSSH certificate of the key; empty: none
	Proxy        *Proxy        // nil: none
	Jump         *Jump         // nil: none
	Algorithms   []string      // empty: all strong ones
	Legacy       *Legacy       // nil: none
	Put, Get     string        // remote folders; empty: not used

	Profile     string
	Temporary   Temporary // empty: by profile
	Rename      string    // "", plain or posix
	Proof       string    // "", acknowledged, listed, size or hash
	Names       string    // "" or an encoding
	PacketSize  int       // bytes; 0: by profile
	Parallel    int       // 0: by profile
	Connections int       // 0: by profile
	NoSync      bool
	Bandwidth   int64 // bytes a second; 0: no limit
	ListLimit   int

	ConnectTimeout  time.Duration
	StallTimeout    time.Duration
	TransferTimeout time.Duration
	Keepalive       time.Duration
}

// An SSHLogin opens an SSH server that shows one of the keys.
type SSHLogin struct {
	User        string
	Key         Secret // private key; zero: none
	KeyPassword Secret // zero: the key is not encrypted
	Password    Secret // zero: none
	HostKeys    []ssh.PublicKey
	KnownHosts  string // file in the form of OpenSSH
}

// A DatedKey is a host key that holds from or until a day.
type DatedKey struct {
	Key         ssh.PublicKey
	From, Until time.Time // zero: open
}

// A Proxy carries the connection.
type Proxy struct {
	SOCKS    bool // else HTTP CONNECT
	Address  string
	User     string
	Password Secret
}

// A Jump is an SSH server on the way.
type Jump struct {
	Address string
	SSHLogin
}

// A Legacy is an exception for weak algorithms, each by its name in SSH.
type Legacy struct {
	Algorithms []string
	Reason     string
	Until      time.Time // the first moment at which it no longer holds
}

// Temporary says how an unfinished file is named at the partner.
type Temporary string

// The choices.
const (
	TemporarySuffix Temporary = "suffix" // EKRH0001.tmp
	TemporaryDot    Temporary = "dot"    // .EKRH0001
	TemporaryFolder Temporary = "folder" // tmp/EKRH0001
	TemporaryNone   Temporary = "none"   // the final name at once
)

// A Folder is a partner that is reached by local folders.
type Folder struct {
	Put, Get     string // empty: not used
	Temporary    Temporary
	Marker       string // name of a file that stands in both; empty: none
	Share        bool   // they must lie on a network mount
	StallTimeout time.Duration
}

// Stage4 reports whether the house has checks of its own.
func (c *Checks) Stage4() bool { return c.InsuredList != "" || c.Hook != "" }

// Checks switches on checks that need data of the house.
type Checks struct {
	InsuredList string        // file with one Versichertennummer per line; empty: no such check
	Hook        string        // program of the house, run for each message; empty: none
	HookTimeout time.Duration // for one message
	Tables      string        // folder of tables and lists that add to or override the built-in ones; empty: none
}

// A Server is the built-in drop server for partners that come to us.
type Server struct {
	Listen   string // host:port
	HostKeys []Secret
	Root     string // accounts live in Root/NAME
	Banner   string // empty: none
	Limits   ServerLimits
	Failures ServerFailures
	Accounts []Account
}

// ServerLimits bound what clients of the drop server may take.
type ServerLimits struct {
	Connections int // in all
	PerAccount  int // connections
	Waiting     int // connections of one address that have not logged in yet
	LoginTries  int // keys offered in one connection
	OpenFiles   int // in one connection
	LoginTime   time.Duration
	IdleTime    time.Duration
	DrainTime   time.Duration
}

// ServerFailures says what happens to addresses that fail to log in.
type ServerFailures struct {
	Delay    time.Duration // doubled by each failure
	BanAfter int
	Ban      time.Duration // doubled by each further one
}

// An Account may log in at the built-in server.
type Account struct {
	Name        string
	Keys        []ssh.PublicKey
	Networks    []netip.Prefix // empty: everywhere
	In, Out     string         // names of its folders below Root/NAME
	Quota       int64          // bytes; 0: no limit
	Rate        int64          // bytes a second; 0: no limit
	ReadBack    bool
	From, Until time.Time // zero: open
}
