// Package channels says what it means to hand a file to a partner and to fetch
// one: the [Channel] contract that channels/sftp and channels/folder fulfil, and
// that channels/channeltest proves for each of them.
//
// A channel reaches one partner and two of its folders. Out is where we put, in
// is where we fetch; both are settings of the channel, so names are plain base
// names and nothing ever leaves the two folders.
//
//	          Put, Look                      List, Get, Remove
//	gateway ──────────────▶ outgoing   incoming ──────────────▶ gateway
//	                        folder      folder
//
// A file on its way out passes three stages, and only the last shows its name:
//
//	(nothing) ─→ EKRH0001.tmp, growing ─→ EKRH0001.tmp, complete and proven ─→ EKRH0001
//	                                      BeforePublish is called here ┘
//
// Whoever looks into the partner's folder therefore sees under the final name
// either nothing or the whole file. The temporary name follows from the final
// one ([Temporary]), so a later attempt finds and clears what an earlier one
// left, and [Channel.Look] tells afterwards whether the rename happened.
//
// A small use:
//
//	proof, err := c.Put(ctx, "EKRH0001", file, size, channels.PutOptions{
//		BeforePublish: recordIntent,
//	})
//	switch {
//	case err == nil: // proof.Text says what the partner's side showed
//	case errors.Is(err, channels.ErrUnknown): // Look first, then Put with Ours
//	case errors.Is(err, channels.ErrLine): // try again later
//	}
//
// What the package refuses to do: it never replaces a file that is not ours, it
// makes no folder at a partner, it guesses nothing about content, and it retries
// nothing on its own; order and repetition belong to the caller.
package channels
