// Package sftp is the [channels.Channel] that most partners ask for: SFTP
// version 3 (draft-ietf-secsh-filexfer-02) over SSH, as a client.
//
//	c, err := sftp.New(sftp.Settings{
//		Address:  "sftp.partner.example:22",
//		User:     "ik260500005",
//		Signers:  []ssh.Signer{key},
//		HostKeys: pins,
//		OutDir:   "in",
//		InDir:    "out",
//	})
//
// New dials nothing. The first call connects, the connection is kept for the
// next ones and shared by all of them, and after a fault the next call dials
// again. A call that waits for a silent partner, or whose context ends, closes
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
// that overtake each other leave holes.
package sftp
