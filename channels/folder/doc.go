// Package folder is the [channels.Channel] between two local folders: a mounted
// share, or the folder of another program on this machine.
//
//	c, err := folder.New(folder.Settings{OutDir: "/srv/partner/in", InDir: "/srv/partner/out"})
//
// Put writes under the temporary name, syncs the file, renames without ever
// replacing (RENAME_NOREPLACE, or link and unlink where the file system lacks
// it), and syncs the folder. Nothing outside the folders is touched, whatever
// links stand in them.
//
// A mount that went away leaves an empty folder behind, which must not look like
// a partner with nothing to say. So every call opens its folder anew and checks
// with a [Watch] that it is the one that was there at first; with Settings.Share,
// that it lies on a network mount at all; with Settings.Marker, that the marker
// file is there. The last two hold from the very start.
//
// Whoever is behind a share may fall silent, and no system call to it can then be
// ended. A call that makes no progress for Settings.Stall, or whose context has
// ended, is left behind: it does nothing more if it ever wakes up, and until then
// all others fail at once with channels.ErrLine.
//
// [Network] names network mounts by the number of their file system. Shown are
// local disks, tmpfs and FUSE; NFS and SMB are recognised and otherwise unproven.
//
// What it refuses to do: it creates no folder, follows no link, and on a file
// system that can neither rename nor link without replacing it does not publish
// (use channels.None there).
package folder
