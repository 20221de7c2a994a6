// Package hostnet knows the addresses and routes of this host, and follows them
// as they change: an interface that comes up later, a VPN that brings its
// routes, a container network. The peer policy needs them (package netpolicy):
// an address of this host is no peer, and what this host has a route of its own
// to is not the public internet, however its addresses look.
//
// On Linux they come from the kernel over netlink, which also tells of every
// change (rtnetlink(7)); the few calls that takes are in golang.org/x/sys and
// the standard library. Elsewhere only the interfaces are known, not the
// routes, and are looked at every few seconds.
package hostnet
