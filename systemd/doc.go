// Package systemd holds no program, but the units under which the gateway runs
// as a service, and a test that asks systemd itself what it thinks of them.
//
//	gateway.service         the gateway; READY after recovery, with a watchdog
//	gateway-alert@.service  what OnFailure= starts when it is given up on
//	README.md               how to install them
//
// Both are hardened alike: systemd-analyze must find an exposure of 1.5 or less.
package systemd
