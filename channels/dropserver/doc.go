// Package dropserver is the built-in SFTP server of an Annahmestelle: the
// counterpart of channels/sftp.
//
//	server, err := dropserver.New(dropserver.Settings{
//		HostKeys: []ssh.Signer{hostKey},
//		Accounts: []dropserver.Account{{Name: "ik260500005", Keys: keys, Root: "/srv/drop/ik260500005"}},
//		Audit:    logEvent,
//	})
//	err = server.Serve(ctx, listener)
//
// Every account lives in a jail, which it sees as the whole file system:
//
//	/
//	├── in/    create, write, rename, stat, list, remove
//	└── out/   list, read, remove
//
// A file in "in" has the name that the client gives it, while it grows and after;
// a client that wants to be safe writes under a temporary name and renames. The
// answer to closing a written file comes only when the file is on disk, and the
// answer to a rename when the folder is. A plain SFTP rename never replaces a
// file; posix-rename@openssh.com does, as its definition says, within "in".
//
// Files are made with mode 0600. Permissions and times that a client asks for are
// ignored, with success, since many clients give up otherwise.
//
// What it refuses to do: no password, no shell, no command, no forwarding, no
// link of any kind, no folder made or removed, nothing outside the jail
// (os.Root), and no word about our insides in what a client is told; the
// [Event]s tell that to the operator.
package dropserver
