package sftp

import (
	"slices"

	"gateway301/channels"
)

// A Profile is what is known of a kind of server: how it must be treated. What a
// partner's row says itself comes before it.
type Profile struct {
	Name  string
	About string // for operators

	Temporary   channels.TemporaryKind
	Rename      Rename
	Proof       channels.Level
	Blind       bool
	Names       string // key of NameEncodings
	MaxPacket   int
	Parallel    int
	Connections int
}

// Profiles returns the profiles, the usual one first. "strict" is what OpenSSH
// is; the others differ from it where their line says so.
func Profiles() []Profile {
	strict := Profile{Name: "strict", About: "does all that the draft asks for, as OpenSSH does",
		Temporary: channels.Suffix, Proof: channels.Size, Names: "utf-8", MaxPacket: 32 << 10, Parallel: 16, Connections: 1}
	but := func(name, about string, change func(*Profile)) Profile {
		p := strict
		p.Name, p.About = name, about
		change(&p)
		return p
	}
	as := func(*Profile) {}
	return []Profile{
		strict,
		but("sloppy", "knows no stat and no chmod; what stands there is told by the listing", func(p *Profile) { p.Proof = channels.Listed }),
		but("write-only", "nobody may list, look into or read the folder", func(p *Profile) { p.Proof, p.Blind = channels.Acknowledged, true }),
		but("vanishing", "the partner takes a file as soon as it has its final name", as),
		but("no-rename", "forbids renaming: files grow under their final names", func(p *Profile) { p.Temporary = channels.None }),
		but("no-replace", "lets no existing file be opened anew or replaced", as),
		but("capped", "allows one session and few files at a time", func(p *Profile) { p.Parallel = 1 }),
		but("legacy", "knows only weak algorithms, which the row names one by one", as),
		but("small-packets", "breaks the connection at a request above 32 KiB", as),
		but("umlauts", "spells umlauts in ISO 8859-1", func(p *Profile) { p.Names = "iso-8859-1" }),
	}
}

// ProfileNamed finds a profile.
func ProfileNamed(name string) (Profile, bool) {
	all := Profiles()
	i := slices.IndexFunc(all, func(p Profile) bool { return p.Name == name })
	if i < 0 {
		return Profile{}, false
	}
	return all[i], true
}

// Apply puts what the profile says into the settings.
func (p *Profile) Apply(s *Settings) {
	s.Temporary.Kind, s.Rename, s.Proof, s.Blind = p.Temporary, p.Rename, p.Proof, p.Blind
	s.Names = NameEncodings()[p.Names]
	s.MaxPacket, s.Parallel, s.Connections = p.MaxPacket, p.Parallel, p.Connections
}
