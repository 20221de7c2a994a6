// Package relay is the TURN server: it joins the gate that judges every
// control message, the engine that runs pion as a function, and the data plane
// that moves datagrams, around one table of sessions.
//
//	plane's listener --> control --> gate.Judge --> drop | answer
//	                                     `--> forward: engine queue --> pion --> finish: session table,
//	                                              plane.Install / Remove, gate.Answer --> plane.Send
//	plane's data    --> session.ToPeer / session.ToClient (pass.go): the one decision for every datagram
//
// A session is one allocation of one client. Its table of permissions and
// channels is ours, with our deadlines; pion keeps a second copy that nobody
// asks. The table has one writer, the engine's goroutine, and is read without
// a lock by the plane's workers.
//
// # Streams
//
// Over TCP and TLS nothing is sent twice (RFC 8489 §6.2.2), so silence would
// keep a client waiting for 39.5 s. A connection is not read while one of its
// requests is with the engine, for half a second at most: order is kept, no
// request is dropped for its number, and nobody else waits. What can't be queued
// all the same is answered with 500. Challenges and Binding answers have no
// budget a source, since whoever forges that over UDP would silence its streams:
// they are taken from each connection at a pace, as is refused data, and
// everything from a connection without a session.
//
// # Who has a place
//
// An Allocate takes a place with its user, tenant and network before pion hears of
// it (place.go). Where that is for others to say, the Allocate is parked: its
// session is in the table without an allocation, so a retransmission joins it; the
// engine goes on; a stream is not read. Whatever has ended when the answer comes, a
// place that was taken is given back. A full quota is answered 486, and 508 if it is
// who has to be asked that is away: another server may serve the client.
//
// # Who is sent away
//
// An Allocate that is refused while draining (403) or for want of a port (508), or
// every one, is answered 300 where Options.Redirect says so: after the gate has
// authenticated it, signed, and before anything is held for it.
//
// # How a session ends
//
// Always by us. First no datagram passes any more (its deadline is moved into
// the past) and its relay socket is closed, so the counters stand still; then
// what it held is given back, its five-tuple is free and its record is handed
// out. pion forgets it by a Refresh with 0: before that where the client asked
// for the end, after it where we did, and only then is the relay port handed
// out again. An expired session keeps its five-tuple and its place in the quota
// until the reaper has been, a second at most. pion's own timer is given 59 s
// more than the client was granted and so never fires (see package engine).
//
// # Two families
//
// A dual allocation (RFC 8656 §7.1) is one session with two halves, one of each
// address family. A half has a leg of pion, a flow, a port and a deadline of its own;
// a Refresh may name it, and so it may end alone, with its permissions and channels.
// The session ends with the last of them. A request that concerns both is one step
// on the engine's goroutine, and gets all that it asks or nothing. The exceptions
// are those of the RFC: an Allocate is served with one address if there is no other,
// and a Refresh extends what is left.
//
// It counts once against the user's and the tenant's allocations, since it is one
// allocation in the words of the RFC, and one call: counting addresses would have
// clients that ask for both refused after half as many calls. And it has one meter,
// so that two addresses carry no more than one. What it takes twice is ports, of
// which each family has its own.
//
// # Lifetimes
//
// An allocation lives 600 to 3,540 seconds from its last Refresh, a permission
// 300, a channel 600 (RFC 8656 §3.2, §9, §12). A channel relays only while the
// permission for its peer lives. Deadlines hold on the packet path to the
// nanosecond; the reaper that frees what has lapsed runs once a second.
package relay
