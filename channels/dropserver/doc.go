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
// Every account lives in a jail, which it sees as the whole file system. The names
// of the two folders are settings:
//
//	/
//	├── in/    create, write, rename, stat, list, remove
//	└── out/   list, read, remove
//
// A client sees its upload in "in" from the start. On our disk it grows in a third
// folder, and appears in "in" when the client has closed it:
//
//	ROOT/uploading/17 ──close: synced, renamed, folder synced──▶ ROOT/in/EKRH0001
//
// So whoever works on "in" meets complete files only. An upload that breaks off is
// gone: since many writes are under way at once it may have holes, and a client
// that resumed it by its length would never know. What is complete can be
// replaced, renamed and removed, but not changed. A plain SFTP rename never
// replaces a file; posix-rename@openssh.com does, as its definition says.
//
// The answer to closing an upload comes only when file and folder are on disk, the
// answer to a rename when the folder is.
//
// Files are made with mode 0600. Permissions and times that a client asks for are
// ignored, with success, since many clients give up otherwise.
//
// [Server.Reload] replaces accounts, keys and limits while transfers go on. An
// address that fails to log in waits longer each time, and is banned in the end.
//
// What it refuses to do: no password, no shell, no command (so scp works as it
// does since OpenSSH 9, over SFTP, and not with its option -O), no forwarding, no
// link of any kind, no folder made or removed, nothing outside the jail
// (os.Root), and no word about our insides in what a client is told; the
// [Event]s tell that to the operator.
package dropserver
