package sample

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
	"golang.org/x/text/encoding/charmap"
)

// A Partner is a simulated SFTP server of an exchange partner: odd as its profile
// says, faulty on command, and answering as scripted. It keeps its files below
// its folder: in (what comes to it), out (what it hands out), taken (what a
// vanishing partner has taken).
//
//	p, err := sample.StartPartner(sample.PartnerOptions{Dir: dir, Profile: "no-rename"})
//	defer p.Close()
type Partner struct {
	o        PartnerOptions
	quirks   quirks
	root     *os.Root
	listener net.Listener
	host     ssh.Signer
	other    ssh.Signer // shown when the host key has changed

	mu       sync.Mutex
	faults   []*PartnerFault
	received int64 // bytes of files
	open     int   // handles
	conns    map[net.Conn]struct{}
	closed   chan struct{}
	left     chan struct{} // a session has ended
	running  sync.WaitGroup
}

// PartnerOptions say what a Partner is. Only Dir is required.
type PartnerOptions struct {
	Address string // to listen at; "" is any port of the loopback interface
	Dir     string // in, out and taken are made in it
	Profile string // one of PartnerProfiles; "" is strict
	Faults  []PartnerFault

	Host     ssh.Signer      // "" is a new key
	Keys     []ssh.PublicKey // that may log in
	Password string          // that opens as well; with no key and no password anybody may log in

	Answers *Answers     // nil: it never answers
	Log     func(string) // what happens, one line each; nil: nowhere
}

// quirks are what a profile does otherwise than the draft.
type quirks struct {
	noStat, blind, vanishing, noRename, noReplace, oneSession, legacy, small, latin1 bool
}

// PartnerProfiles are the profiles by name; channels/sftp has one of the same name
// for each, which says how to treat such a server.
func PartnerProfiles() []string {
	return []string{"strict", "sloppy", "write-only", "vanishing", "no-rename", "no-replace", "capped", "legacy", "small-packets", "umlauts"}
}

func quirksOf(profile string) (quirks, error) {
	q, ok := map[string]quirks{
		"": {}, "strict": {}, "sloppy": {noStat: true}, "write-only": {blind: true}, "vanishing": {vanishing: true}, "no-rename": {noRename: true},
		"no-replace": {noReplace: true}, "capped": {oneSession: true}, "legacy": {legacy: true}, "small-packets": {small: true}, "umlauts": {latin1: true},
	}[profile]
	if !ok {
		return q, fmt.Errorf("no profile %q of a partner; there are %s", profile, strings.Join(PartnerProfiles(), ", "))
	}
	return q, nil
}

// LegacyPartnerAlgorithms are what the profile "legacy" knows and nobody should.
func LegacyPartnerAlgorithms() []string { return []string{"diffie-hellman-group14-sha1", "aes128-cbc"} }

// StartPartner makes the folders and listens.
func StartPartner(o PartnerOptions) (*Partner, error) {
	q, err := quirksOf(o.Profile)
	if err != nil {
		return nil, err
	}
	p := &Partner{o: o, quirks: q, host: o.Host, conns: map[net.Conn]struct{}{}, closed: make(chan struct{}), left: make(chan struct{}, 1)}
	for i := range o.Faults {
		p.faults = append(p.faults, &o.Faults[i])
	}
	if p.other, err = newHostKey(); err == nil && p.host == nil {
		p.host, err = newHostKey()
	}
	if err != nil {
		return nil, err
	}
	for _, folder := range []string{"in", "out", "taken"} {
		if err := os.MkdirAll(path.Join(o.Dir, folder), 0o700); err != nil {
			return nil, err
		}
	}
	if p.root, err = os.OpenRoot(o.Dir); err != nil {
		return nil, err
	}
	address := o.Address
	if address == "" {
		address = "127.0.0.1:0"
	}
	if p.listener, err = net.Listen("tcp", address); err != nil {
		return nil, errors.Join(err, p.root.Close())
	}
	p.running.Go(p.accept)
	return p, nil
}

func newHostKey() (ssh.Signer, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return ssh.NewSignerFromKey(key)
}

// Address is where it listens, host:port.
func (p *Partner) Address() string { return p.listener.Addr().String() }

// HostKey is the key that it shows.
func (p *Partner) HostKey() ssh.PublicKey { return p.host.PublicKey() }

// Run serves until ctx ends.
func (p *Partner) Run(ctx context.Context) error {
	<-ctx.Done()
	return p.Close()
}

// Close ends all sessions and waits for them.
func (p *Partner) Close() error {
	p.mu.Lock()
	select {
	case <-p.closed:
		p.mu.Unlock()
		return nil
	default:
	}
	close(p.closed)
	for c := range p.conns {
		c.Close()
	}
	p.mu.Unlock()
	err := p.listener.Close()
	p.running.Wait()
	return errors.Join(err, p.root.Close())
}

func (p *Partner) say(format string, args ...any) {
	if p.o.Log != nil {
		p.o.Log(fmt.Sprintf(format, args...))
	}
}

func (p *Partner) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		if !p.admit(conn) {
			p.say("a second session is turned down")
			conn.Close()
			continue
		}
		p.running.Go(func() {
			p.serve(conn)
			conn.Close()
			p.mu.Lock()
			delete(p.conns, conn)
			p.mu.Unlock()
			select {
			case p.left <- struct{}{}:
			default:
			}
		})
	}
}

// admit notes a connection. Where one session is allowed, a second waits a moment:
// the first may just be ending.
func (p *Partner) admit(conn net.Conn) bool {
	patience := time.NewTimer(time.Second)
	defer patience.Stop()
	for {
		p.mu.Lock()
		full := p.quirks.oneSession && len(p.conns) > 0
		if !full {
			p.conns[conn] = struct{}{}
		}
		p.mu.Unlock()
		if !full {
			return true
		}
		select {
		case <-p.left:
		case <-p.closed:
			return false
		case <-patience.C:
			return false
		}
	}
}

func (p *Partner) serve(conn net.Conn) {
	sshConn, opened, requests, err := ssh.NewServerConn(conn, p.loginRules())
	if err != nil {
		p.say("no login: %v", err)
		return
	}
	defer sshConn.Close()
	p.say("%s logged in", sshConn.User())
	go ssh.DiscardRequests(requests)
	ended := make(chan struct{})
	p.running.Go(func() {
		sshConn.Wait()
		close(ended)
	})
	for wanted := range opened {
		if wanted.ChannelType() != "session" {
			wanted.Reject(ssh.Prohibited, "not here")
			continue
		}
		channel, asked, err := wanted.Accept()
		if err != nil {
			return
		}
		p.running.Go(func() {
			for r := range asked {
				ok := r.Type == "subsystem" && string(r.Payload[min(4, len(r.Payload)):]) == "sftp"
				r.Reply(ok, nil)
				if ok {
					p.running.Go(func() { p.session(conn, channel, ended) })
				}
			}
		})
	}
}

func (p *Partner) loginRules() *ssh.ServerConfig {
	c := &ssh.ServerConfig{ServerVersion: "SSH-2.0-Partner"}
	slow := func() {
		if f := p.strike("slow-login", 0); f != nil {
			p.say("slow login: %v", f.Delay)
			t := time.NewTimer(f.Delay)
			defer t.Stop()
			select {
			case <-t.C:
			case <-p.closed:
			}
		}
	}
	anybody := len(p.o.Keys) == 0 && p.o.Password == ""
	c.PublicKeyCallback = func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		slow()
		for _, k := range p.o.Keys {
			if string(k.Marshal()) == string(key.Marshal()) {
				return nil, nil
			}
		}
		if anybody {
			return nil, nil
		}
		return nil, errors.New("unknown key")
	}
	if p.o.Password != "" || anybody {
		c.PasswordCallback = func(_ ssh.ConnMetadata, given []byte) (*ssh.Permissions, error) {
			slow()
			if anybody || string(given) == p.o.Password {
				return nil, nil
			}
			return nil, errors.New("wrong password")
		}
	}
	if p.quirks.legacy {
		c.KeyExchanges, c.Ciphers, c.MACs = LegacyPartnerAlgorithms()[:1], LegacyPartnerAlgorithms()[1:], []string{ssh.HMACSHA1}
	}
	if p.strike("host-key", 0) != nil {
		p.say("another host key is shown: %s", ssh.FingerprintSHA256(p.other.PublicKey()))
		c.AddHostKey(p.other)
	} else {
		c.AddHostKey(p.host)
	}
	return c
}

// session serves one SFTP session.
func (p *Partner) session(conn net.Conn, channel ssh.Channel, ended <-chan struct{}) {
	defer channel.Close()
	h := &partnerHandler{p: p, conn: conn, ended: ended}
	var in io.Reader = channel
	longest := uint32(255 << 10) // of an answer, in bytes: as OpenSSH
	if p.quirks.small {
		longest = 32 << 10
		in = &smallPackets{r: channel}
	}
	server := sftp.NewRequestServer(struct {
		io.Reader
		io.WriteCloser
	}{in, channel}, sftp.Handlers{FileGet: h, FilePut: h, FileCmd: h, FileList: h}, sftp.WithRSMaxTxPacket(longest))
	server.Serve()
	server.Close()
	if p.quirks.small {
		conn.Close()
	}
}

// smallPackets ends the stream at a packet that is longer than the draft demands
// to be taken (section 3: 34,000 bytes).
type smallPackets struct {
	r    io.Reader
	left int
}

var errLargePacket = errors.New("packet too large")

func (s *smallPackets) Read(b []byte) (int, error) {
	if s.left == 0 {
		var head [4]byte
		if _, err := io.ReadFull(s.r, head[:]); err != nil {
			return 0, err
		}
		n := binary.BigEndian.Uint32(head[:])
		if n > 34_000 {
			return 0, errLargePacket
		}
		s.left = int(n)
		if len(b) < len(head) {
			return 0, io.ErrShortBuffer
		}
		return copy(b, head[:]), nil
	}
	n, err := s.r.Read(b[:min(len(b), s.left)])
	s.left -= n
	return n, err
}

// A partnerHandler carries out what one session asks for.
type partnerHandler struct {
	p     *Partner
	conn  net.Conn
	ended <-chan struct{} // closed with the connection
}

// local is the name below the partner's folder for what a client wrote.
func (h *partnerHandler) local(remote string) (string, error) {
	name := strings.TrimPrefix(path.Clean("/"+remote), "/")
	if h.p.quirks.latin1 {
		decoded, err := charmap.ISO8859_1.NewDecoder().String(name)
		if err != nil {
			return "", err
		}
		name = decoded
	}
	if name == "" {
		name = "."
	}
	return name, nil
}

// incoming reports whether a name lies in the folder that clients put into.
func incoming(name string) bool { return name == "in" || strings.HasPrefix(name, "in/") }

func (h *partnerHandler) openFile(r *sftp.Request, flags int) (*partnerFile, error) {
	name, err := h.local(r.Filepath)
	if err != nil {
		return nil, err
	}
	asked, q := r.Pflags(), &h.p.quirks
	if asked.Creat {
		flags |= os.O_CREATE
	}
	if asked.Trunc {
		flags |= os.O_TRUNC
	}
	if asked.Excl {
		flags |= os.O_EXCL
	}
	if _, err := h.p.root.Lstat(name); err == nil && q.noReplace && flags != os.O_RDONLY && incoming(name) {
		return nil, errors.New("file exists")
	}
	if q.blind && flags == os.O_RDONLY && incoming(name) {
		return nil, sftp.ErrSSHFxPermissionDenied
	}
	h.p.mu.Lock()
	busy := q.oneSession && h.p.open > 0
	if !busy {
		h.p.open++
	}
	h.p.mu.Unlock()
	if busy {
		return nil, errors.New("too many open files")
	}
	f, err := h.p.root.OpenFile(name, flags, 0o600)
	if err != nil {
		h.p.release()
		return nil, err
	}
	return &partnerFile{h: h, f: f, name: name, writes: flags != os.O_RDONLY}, nil
}

func (p *Partner) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open--
}

func (h *partnerHandler) Fileread(r *sftp.Request) (io.ReaderAt, error) {
	f, err := h.openFile(r, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (h *partnerHandler) Filewrite(r *sftp.Request) (io.WriterAt, error) {
	f, err := h.openFile(r, os.O_WRONLY)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// OpenFile serves sessions that read and write one handle.
func (h *partnerHandler) OpenFile(r *sftp.Request) (sftp.WriterAtReaderAt, error) {
	f, err := h.openFile(r, os.O_RDWR)
	if err != nil {
		return nil, err
	}
	return f, nil
}

type partnerFile struct {
	h      *partnerHandler
	f      *os.File
	name   string
	writes bool
}

func (f *partnerFile) ReadAt(b []byte, off int64) (int, error) { return f.f.ReadAt(b, off) }

func (f *partnerFile) WriteAt(b []byte, off int64) (int, error) {
	p := f.h.p
	p.mu.Lock()
	before := p.received
	p.received += int64(len(b))
	p.mu.Unlock()
	if fault := p.strike("cut", before+int64(len(b))); fault != nil {
		n, _ := f.f.WriteAt(b[:min(max(fault.Bytes-before, 0), int64(len(b)))], off)
		p.say("the line is cut after %d bytes of files", before+int64(n))
		f.h.conn.Close()
		return n, io.ErrClosedPipe
	}
	if fault := p.strike("stall", before+int64(len(b))); fault != nil {
		p.say("no answer any more after %d bytes of files", before)
		<-f.h.ended
		return 0, io.ErrClosedPipe
	}
	if fault := p.strike("full-disk", before+int64(len(b))); fault != nil {
		p.say("the disk is full after %d bytes of files", before)
		return 0, errors.New("no space left on device")
	}
	return f.f.WriteAt(b, off)
}

func (f *partnerFile) Close() error {
	f.h.p.release()
	err := f.f.Close()
	if f.writes && f.h.p.quirks.noRename {
		f.h.p.arrived(f.name)
	}
	return err
}

func (h *partnerHandler) Filecmd(r *sftp.Request) error {
	name, err := h.local(r.Filepath)
	if err != nil {
		return err
	}
	switch q := &h.p.quirks; r.Method {
	case "Rename":
		target, err := h.local(r.Target)
		if err != nil {
			return err
		}
		return h.rename(name, target, false)
	case "Remove":
		if q.blind && incoming(name) {
			return sftp.ErrSSHFxPermissionDenied
		}
		if info, err := h.p.root.Lstat(name); err == nil && info.IsDir() {
			return sftp.ErrSSHFxFailure
		}
		return h.p.root.Remove(name)
	case "Setstat":
		if q.noStat {
			return sftp.ErrSSHFxOpUnsupported
		}
		return nil
	}
	return sftp.ErrSSHFxOpUnsupported
}

// PosixRename replaces, as the extension says.
func (h *partnerHandler) PosixRename(r *sftp.Request) error {
	name, err := h.local(r.Filepath)
	if err != nil {
		return err
	}
	target, err := h.local(r.Target)
	if err != nil {
		return err
	}
	return h.rename(name, target, true)
}

func (h *partnerHandler) rename(name, target string, replaces bool) error {
	if h.p.quirks.noRename || h.p.strike("refuse-rename", 0) != nil {
		h.p.say("renaming is refused")
		return sftp.ErrSSHFxPermissionDenied
	}
	if !replaces || h.p.quirks.noReplace {
		if err := h.p.root.Link(name, target); err != nil {
			return err
		}
		if err := h.p.root.Remove(name); err != nil {
			return err
		}
	} else if err := h.p.root.Rename(name, target); err != nil {
		return err
	}
	h.p.arrived(target)
	return nil
}

// arrived is called when a file has its final name.
func (p *Partner) arrived(name string) {
	if !incoming(name) {
		return
	}
	p.say("%s has arrived", name)
	if p.quirks.vanishing {
		taken := path.Join("taken", path.Base(name))
		if err := p.root.Rename(name, taken); err == nil {
			name = taken
		}
	}
	if p.o.Answers != nil {
		p.running.Go(func() {
			if err := p.o.Answers.answer(p.root, name); err != nil {
				p.say("no answer to %s: %v", name, err)
			}
		})
	}
}

func (h *partnerHandler) Filelist(r *sftp.Request) (sftp.ListerAt, error) {
	name, err := h.local(r.Filepath)
	if err != nil {
		return nil, err
	}
	q := &h.p.quirks
	if q.blind && incoming(name) {
		return nil, sftp.ErrSSHFxPermissionDenied
	}
	if r.Method != "List" {
		if q.noStat {
			return nil, sftp.ErrSSHFxOpUnsupported
		}
		info, err := h.p.root.Lstat(name)
		if err != nil {
			return nil, err
		}
		return partnerList{h.told(info, true)}, nil
	}
	f, err := h.p.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	infos, err := f.Readdir(-1)
	list := make(partnerList, 0, len(infos))
	for _, info := range infos {
		list = append(list, h.told(info, false))
	}
	return list, err
}

// Lstat is stat here: links are shown as what they are.
func (h *partnerHandler) Lstat(r *sftp.Request) (sftp.ListerAt, error) { return h.Filelist(r) }

// told is what a client is told of a file.
func (h *partnerHandler) told(info fs.FileInfo, asked bool) fs.FileInfo {
	t := partnerInfo{info, info.Name(), info.Size()}
	if asked && info.Mode().IsRegular() && h.p.strike("wrong-size", 0) != nil {
		h.p.say("a wrong size is told")
		t.size--
	}
	if h.p.quirks.latin1 {
		if encoded, err := charmap.ISO8859_1.NewEncoder().String(t.name); err == nil {
			t.name = encoded
		}
	}
	return t
}

type partnerInfo struct {
	fs.FileInfo
	name string
	size int64
}

func (i partnerInfo) Name() string { return i.name }
func (i partnerInfo) Size() int64  { return i.size }

type partnerList []fs.FileInfo

func (l partnerList) ListAt(infos []fs.FileInfo, off int64) (int, error) {
	if off >= int64(len(l)) {
		return 0, io.EOF
	}
	return copy(infos, l[off:]), nil
}
