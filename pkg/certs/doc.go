// Package certs is the certificate of the TLS listeners: read from two files,
// refused with words when clients would refuse it without, and replaced while
// connections live.
//
// # Replacing it
//
// [Certificate.Reload] reads both files and swaps one pointer, so a handshake
// sees the old certificate or the new one, never a mixture, and a connection
// that stands notices nothing. What cannot be served leaves the old one in its
// place. A key and a certificate that are written one after the other do not
// fit for a moment; that is an error, and the next look finds them whole.
//
// [Certificate.Run] looks at the content, not at times, inodes or events. The
// rename of an editor, the swapped link of a Kubernetes volume and a network
// file system that tells nobody are all the same to it.
//
// A session resumed by ticket is shown no certificate (RFC 8446 §2.2), so a
// client may meet the new one only at its next full handshake. The ticket keys
// are made and rotated by crypto/tls, held in memory alone, and end with the
// process.
//
// # What the listeners speak
//
// [Relay] and [HTTPS] take a [Source]: a [Certificate], or package acme, which
// gets certificates by itself. They accept TLS 1.2 and 1.3, key exchanges with forward
// secrecy and suites with authenticated encryption (RFC 9325 §4), nothing else.
// Order among them is crypto/tls's own. A client's protocol list (ALPN) is
// answered for what the listener is, and refused for what it is not: a browser
// that was lured to a TURN port with https gets no further than its first
// message (ALPACA). Clients without a list, which most TURN clients are, get in.
package certs
