package sftp

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"gateway301/channels"
)

// A Report is what Probe found out about a server.
type Report struct {
	Address    string
	Server     string // as it names itself
	Algorithms ssh.NegotiatedAlgorithms
	Extensions []string // of those that matter here

	CanList, CanStat, CanRead bool // in the outgoing folder
	CanRename, CanPosixRename bool
	ReplacesOnRename          bool // its plain rename replaces what stands there
	CanReopen                 bool // an existing file can be opened anew
	CanRemove                 bool
	Vanishes                  bool // a file was gone right after its rename
	MaxPacket                 int  // bytes that one request and one answer bore
	Breaks                    bool // a request above 32 KiB ended the connection or failed
	Sessions                  int  // connections at the same time, 4 at most
	Files                     int  // open files at the same time, 4 at most

	Profile Profile  // proposed
	Left    []string // names that could not be removed again
	Notes   []string // what an operator should know
}

// probeExtensions are those whose presence changes what Put does.
var probeExtensions = [...]string{"posix-rename@openssh.com", "fsync@openssh.com", "statvfs@openssh.com", "limits@openssh.com", "hardlink@openssh.com", "check-file"}

// Probe finds out what a server can do, with files of a name that nobody uses in
// the outgoing folder, and removes them. The settings may be of any profile; those
// about the way to the server and the login count. Errors are those of dialling,
// or ErrRefused if nothing can be written.
func Probe(ctx context.Context, s Settings) (Report, error) {
	s, err := s.checked()
	if err != nil {
		return Report{}, err
	}
	s.MaxPacket = 32 << 10
	throttle := newThrottle(s.Bandwidth)
	l, err := dial(ctx, &s, throttle)
	if err != nil {
		return Report{}, err
	}
	var mark [4]byte
	rand.Read(mark[:])
	p := &prober{s: &s, throttle: throttle, name: "gateway301-probe-" + hex.EncodeToString(mark[:]), l: l, made: map[string]bool{}}
	stop := context.AfterFunc(ctx, func() { p.l.cut(ctx.Err()) })
	defer stop()
	defer func() { p.l.cut(channels.ErrClosed) }()
	p.introduce()
	if err := p.files(ctx); err != nil {
		return p.Report, errors.Join(fmt.Errorf("probe of %s: %w", s.OutDir, err), p.clear(ctx))
	}
	p.limits(ctx)
	if err := p.clear(ctx); err != nil {
		return p.Report, err
	}
	p.propose()
	return p.Report, ctx.Err()
}

type prober struct {
	Report
	s        *Settings
	throttle *throttle
	name     string
	l        *line
	made     map[string]bool // remote paths that may exist
}

func (p *prober) introduce() {
	p.Address, p.Server = p.l.address, string(p.l.ssh.ServerVersion())
	if a, ok := p.l.ssh.(ssh.AlgorithmsConnMetadata); ok {
		p.Algorithms = a.Algorithms()
	}
	for _, name := range probeExtensions {
		if _, offered := p.l.client.HasExtension(name); offered {
			p.Extensions = append(p.Extensions, name)
		}
	}
}

func (p *prober) at(suffix string) string { return path.Join(p.s.OutDir, p.name+suffix) }

// write makes a file; an error is the server's.
func (p *prober) write(remote string, flags int, content []byte) error {
	p.made[remote] = true
	f, err := p.l.client.OpenFile(remote, os.O_WRONLY|os.O_CREATE|flags)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}

func (p *prober) read(remote string, n int) ([]byte, error) {
	f, err := p.l.client.Open(remote)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, n)
	got, err := f.ReadAt(b, 0)
	return b[:got], err
}

// files finds out what can be done with files.
func (p *prober) files(ctx context.Context) error {
	content, temporary, final := []byte("Gateway 301"), p.at(".tmp"), p.at("")
	if err := p.write(temporary, os.O_TRUNC, content); err != nil {
		return statusFault(err)
	}
	info, err := p.l.client.Lstat(temporary)
	p.CanStat = err == nil && info.Size() == int64(len(content))
	found, err := findListed(ctx, p.l, temporary)
	p.CanList = err == nil && found != nil
	got, _ := p.read(temporary, len(content))
	p.CanRead = bytes.Equal(got, content)
	p.CanReopen = p.write(temporary, os.O_TRUNC, content) == nil

	p.made[final] = true
	p.CanRename = p.l.client.Rename(temporary, final) == nil
	if p.CanRename {
		p.Vanishes = p.gone(ctx, final)
	}
	if slices.Contains(p.Extensions, "posix-rename@openssh.com") {
		p.write(temporary, 0, content)
		err := p.l.client.PosixRename(temporary, p.at(".posix"))
		p.made[p.at(".posix")] = true
		p.CanPosixRename = err == nil
	}
	if p.CanRename && !p.Vanishes {
		p.write(temporary, 0, []byte("other"))
		err := p.l.client.Rename(temporary, final)
		p.ReplacesOnRename = err == nil
	}
	remove := p.at(".remove")
	if p.write(remove, 0, content) == nil {
		p.CanRemove = p.l.client.Remove(remove) == nil
	}
	if p.l.isDead() {
		return fmt.Errorf("%w: the connection was lost", channels.ErrLine)
	}
	return ctx.Err()
}

// gone reports whether a file is there no more. Where nobody can look, it is not
// known, and counts as no.
func (p *prober) gone(ctx context.Context, remote string) bool {
	info, err := find(ctx, p.l, remote)
	return err == nil && info == nil
}

// packets are the sizes that are tried, the largest first. Beyond 128 KiB nothing
// becomes faster, and 256 KiB is more than OpenSSH takes.
var packets = [...]int{128 << 10, 64 << 10}

// limits finds out what the server bears. Each try has a connection of its own:
// some servers end it.
func (p *prober) limits(ctx context.Context) {
	p.MaxPacket = 32 << 10
	first := p.l
	for _, size := range packets {
		if p.bears(ctx, size) {
			p.MaxPacket = size
			break
		}
	}
	p.l = first
	if p.l.isDead() {
		if l, err := dial(ctx, p.s, p.throttle); err == nil {
			p.l = l
		}
	}
	var open []*sftp.File
	for p.Files < 4 {
		remote := p.at(fmt.Sprint(".", p.Files))
		p.made[remote] = true
		f, err := p.l.client.OpenFile(remote, os.O_WRONLY|os.O_CREATE)
		if err != nil {
			break
		}
		open = append(open, f)
		p.Files++
	}
	for _, f := range open {
		f.Close()
	}
	var more []*line
	for p.Sessions = 1; p.Sessions < 4; p.Sessions++ {
		l, err := dial(ctx, p.s, p.throttle)
		if err != nil {
			break
		}
		more = append(more, l)
	}
	for _, l := range more {
		l.cut(channels.ErrClosed)
	}
}

// bears tries one size of packet, on the way up and, where we may read, down.
func (p *prober) bears(ctx context.Context, size int) bool {
	set := *p.s
	set.MaxPacket = size
	// A server with one session only needs the first to be gone.
	l, err := dial(ctx, &set, p.throttle)
	if err != nil {
		p.l.cut(channels.ErrClosed)
		<-p.l.dead
		if l, err = dial(ctx, &set, p.throttle); err != nil {
			return false
		}
	}
	defer l.cut(channels.ErrClosed)
	before := p.l
	p.l = l
	defer func() { p.l = before }()
	remote, content := p.at(".large"), bytes.Repeat([]byte("Gateway 301\n"), size/12+1)[:size]
	if p.Breaks = p.write(remote, 0, content) != nil; p.Breaks {
		return false
	}
	if !p.CanRead {
		return true
	}
	got, err := p.read(remote, size)
	l.inlet.mu.Lock()
	defer l.inlet.mu.Unlock()
	return err == nil && bytes.Equal(got, content) && l.inlet.largest >= size
}

// clear removes what may be left, and names what cannot be removed.
func (p *prober) clear(ctx context.Context) error {
	if p.l.isDead() {
		l, err := dial(ctx, p.s, p.throttle)
		if err != nil {
			return fmt.Errorf("files named %s* may be left: %w", p.name, err)
		}
		p.l = l
	}
	for remote := range p.made {
		err := p.l.client.Remove(remote)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if there, looked := find(ctx, p.l, remote); looked != nil || there != nil {
			p.Left = append(p.Left, path.Base(remote))
		}
	}
	slices.Sort(p.Left)
	return nil
}

// propose chooses the profile.
func (p *prober) propose() {
	weak := slices.Concat(common([]string{p.Algorithms.KeyExchange}, LegacyAlgorithms()), common([]string{p.Algorithms.Write.Cipher}, LegacyAlgorithms()))
	name := "strict"
	switch {
	case len(weak) > 0:
		name = "legacy"
		p.Notes = append(p.Notes, fmt.Sprintf("only weak algorithms were agreed: %q", weak))
	case p.Vanishes:
		name = "vanishing"
	case !p.CanRename && !p.CanPosixRename:
		name = "no-rename"
	case !p.CanStat && !p.CanList:
		name = "write-only"
	case !p.CanStat:
		name = "sloppy"
	case p.Sessions == 1 || p.Files == 1:
		name = "capped"
	case !p.CanReopen:
		name = "no-replace"
	}
	p.Profile, _ = ProfileNamed(name)
	p.Profile.MaxPacket = p.MaxPacket
	if name == "strict" && p.Breaks {
		p.Profile, _ = ProfileNamed("small-packets")
	}
	if p.ReplacesOnRename {
		p.Profile.Rename = RenamePosix
		p.Notes = append(p.Notes, "its plain rename replaces what stands there: posix looks first")
	}
	if !p.CanRemove {
		p.Notes = append(p.Notes, "files cannot be removed: a failed upload leaves its temporary file")
	}
	if len(p.Left) > 0 {
		p.Notes = append(p.Notes, fmt.Sprintf("%q could not be removed again; ask the partner to", p.Left))
	}
	if p.Profile.Blind || p.Vanishes {
		p.Notes = append(p.Notes, "nobody can look afterwards: agree on when-vanished with the partner")
	}
}
