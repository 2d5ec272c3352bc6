// Package channeltest is what every channel must pass, and the peers it needs.
//
// [Run] takes a channel and the two local folders in which its partner keeps the
// files, and holds the channel to each promise of channels.Channel:
//
//	func TestConformance(t *testing.T) {
//		channeltest.Run(t, func(t *testing.T) *channeltest.Partner { … })
//	}
//
// [StartSSHD] runs a private OpenSSH server on a loopback port, with its own
// configuration, keys and folder, for this package's neighbours and for whoever
// needs a real partner in a test. The test is skipped where sshd is missing,
// unless GATEWAY_PEERS=required is set: then it fails.
//
// The package is meant for tests only.
package channeltest
