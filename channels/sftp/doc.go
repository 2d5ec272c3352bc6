// Package sftp is the [channels.Channel] that most partners ask for: SFTP
// version 3 (draft-ietf-secsh-filexfer-02) over SSH, as a client.
//
//	c, err := sftp.New(sftp.Settings{
//		Host:   sftp.Host{Address: "sftp.partner.example:22", HostKeys: pins},
//		Login:  sftp.Login{User: "ik260500005", Signers: []ssh.Signer{key}},
//		OutDir: "in",
//		InDir:  "out",
//	})
//
// New dials nothing. The first call connects, the connection is kept for the
// next ones and shared by all of them, and after a fault the next call dials
// again. Where the settings allow several connections, the calls are spread over
// them. The way to the server may lead through a proxy and a jump host; of several
// addresses the first that can be reached is taken. A call that waits for a silent partner, or whose context ends, closes
// the connection: nothing else ends a pending SFTP request.
//
// How Put gains its certainty, one line per round trip:
//
//	lstat final  ‖  open temporary     absent, or somebody else's: stop
//	write … write                      64 packets in flight
//	fsync                              where the server offers it
//	close        ‖  lstat temporary    size proven, BeforePublish
//	rename                             never replaces: see [Rename]
//	lstat final                        size proven again
//
// What it refuses to do: it accepts no host key that is not pinned, offers no
// SHA-1 signature, never goes on after a failed login until [Channel.Release],
// and never trusts the length of a file whose upload broke off, since writes
// that overtake each other leave holes. It goes on from the length up to which it
// has itself seen every write confirmed, and else starts anew.
package sftp
