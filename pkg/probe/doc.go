// Package probe looks at a server from outside, as a client does: [Binding]
// asks for the address a STUN server sees, [PublicAddr] asks several of them
// for the address of this host, and [Health] asks a running turnpike whether it
// is well.
//
// # What an answer is worth
//
// STUN without credentials is not authenticated. An answer counts only if it
// comes from the address that was asked (the socket is connected, so the kernel
// drops all else), carries the random transaction id, and has a sound
// FINGERPRINT or none. That keeps out everyone who is not on the path; who is on
// it, and the server itself, can tell any address. PublicAddr refuses those that
// cannot be true, being not public. Over UDP what does not count is passed over
// and the wait goes on, or a single forged packet would end it; over a stream it
// ends the question, since nobody else could have sent it.
//
// Every call ends with its context. Binding gives up by itself when RFC 8489
// §6.2 does, 39.5 s after it has connected, for which it has as long.
package probe
