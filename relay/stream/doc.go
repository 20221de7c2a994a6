// Package stream owns the TCP and TLS connections of clients.
//
//	accept --> caps --> PROXY header --> first byte --+-- 0x16: TLS handshake --+--> messages --> Frame
//	                    (of a proxy)                  `-- 0, 1: STUN over TCP --'
//	                                                 one Write <-- queue <-- Send, Queue and Flush
//
// It cuts the byte stream into STUN messages and ChannelData (RFC 8656 §12.5)
// and knows nothing of what they say: the messages that one read brought go to
// Frame together, on the connection's own goroutine, in a buffer in which the
// data plane can frame them anew. A [Conn] is the way back, and the connection's
// place in the data plane. What is queued leaves in one write, which is one TLS
// record up to 16 KiB.
//
// # What a stranger may cost
//
// A connection that says nothing holds no buffer: a plain one is asked for
// bytes with a buffer from a pool, which goes back when there are none. Idle
// connections cost about 5 KiB of memory over TCP and 25 KiB over TLS, most of
// it the goroutine's stack and what crypto/tls keeps. A part of a message holds
// 8 KiB until it is whole or [Options].FrameTime has passed.
//
// While Frame is at a message nothing more is read: it may wait, and Pace does,
// so that a flood of small messages is the client's own trouble. Of the TLS
// handshakes at one time the oldest makes room for the next when it has taken a
// second, so that those who never finish keep nobody out.
//
// Whatever begins with neither TLS nor STUN is closed without an answer, so is
// everything that can't be a message: a wrong magic cookie at its eighth byte,
// a length at its fourth. ChannelData is no begin, since a new connection has no
// channel. All is counted by [Reason]; nothing is logged.
//
// # Deadlines
//
// They run from the accept (Handshake, Authenticate), from the end of the
// handshake (FirstFrame), from a message's first byte (FrameTime), from a
// write's begin (Write), and from the end of a session (Idle). While a session
// lives, between Hold and Release, a silent client is left alone; TCP keepalive
// finds those that are gone.
//
// # A client that does not read
//
// Send never waits. Options.QueueBytes, and 256 KiB in the kernel, wait for the
// client; data beyond that is dropped, as a full UDP socket does. Answers have
// 16 KiB more, and a client that leaves no room even there is cut off, as is one
// that takes longer than Options.Write for what was written at once. Nobody
// else notices: each connection has its own queue and, while there is something
// in it, its own writer.
//
// # What was tried
//
// What a packet costs is the kernel's: a read that empties a socket sends an
// acknowledgement at once when there was more than one segment, so fewer and
// larger reads are what saves. To read TLS without waiting, several records at a
// time, cost as much as it saved. To rest a moment between reads makes larger
// ones, but the timers cost more, unless the client is very busy.
package stream
