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
// that it is the one that was there at first; or, with Settings.Marker, that the
// marker file is there, which also copes with a share that is mounted again.
//
// What it refuses to do: it creates no folder, follows no link, and on a file
// system that can neither rename nor link without replacing it does not publish
// (use channels.None there).
package folder
