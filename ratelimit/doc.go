// Package ratelimit holds what a source, a session, a user and a tenant may
// use: requests, bits a second, bytes a day, allocations. Everything is in
// memory and bounded, and time is an argument of every decision.
//
//   - [Limiter] bounds what is answered to strangers: a fixed number of token
//     buckets for all addresses of the Internet.
//   - [Ledger] keeps the accounts of users and tenants. [Ledger.Reserve] takes a
//     place for an allocation before the work is done, [Reservation.Confirm]
//     says that it stands, [Reservation.Release] gives it back.
//   - [Meter] is what a session asks for every datagram. It belongs to a
//     Reservation, waits for nothing and allocates nothing.
//
// # Bursts
//
// A bit rate is a GCRA (the generic cell rate algorithm: a leaky bucket that
// keeps one number, the theoretical arrival time). Its burst is what the rate
// carries in 500 ms, but never less than 128 KiB: a key frame, or the flight of a
// TCP sender, must pass at low rates too. Over any time t a bucket lets at most
// rate x t + burst pass. A datagram counts 48 bytes at least,
// what its headers take, so that a rate bounds the number of datagrams too.
//
// # Never over
//
// A reservation takes the user's place, then the tenant's, and gives the first
// back if the second is refused; a datagram is charged to the session, the day
// and the user in this order, and what was charged is given back if a later one
// refuses. In between a competitor may be refused that would have fitted. It is
// never let in beyond a limit, with one exception of at most one datagram: if
// between charge and return, both within one Take, the session was idle for
// longer than the datagram takes at its rate, the return is credit that time had
// given already.
//
// # Days
//
// Bytes a day count within the UTC calendar day of the time given, for all
// sessions of a user, and outlive them: an account with bytes spent today stays
// until the day is over, and any other vanishes with its last session. Only
// accounts with such a limit count. A clock that is set back by less than a day
// stays in the day it was in.
//
// # Limits that change
//
// The limits of the newest Reserve hold for the account from then on, and so
// for its older sessions; a rate of the session itself stays what it was, until
// [Reservation.SetLimits].
//
// # More than one node
//
// A [Shared] lets the ledgers of a fleet decide together. Nodes share a [Store]:
// package memstore for one node, package redisstore for many, package storetest
// what both must do. Nothing that carries packets waits for it.
//
//   - Places. [Shared.Reserve] decides from memory: what this node holds, and what
//     the others held when the store last said. It asks the store first, and says
//     so, if the limit is strict, if memory says full and is older than a second,
//     or if two places of the account are given that the store has not heard of.
//     So a limit that is not strict is exceeded by no more than two places a node.
//     Places are leases, renewed after a quarter to a third of their time; a killed
//     node's lapse. A node that can't reach the store for a whole lease loses its
//     places to others, and its sessions live on.
//   - Bytes are taken ahead, for ten seconds at the rate of late, 1 MiB at least and
//     64 MiB at most, asked for again at half, and given back when the user's last
//     session on the node ends. A crash strands what was taken ahead. If the limit
//     is strict the sum over all nodes is never beyond it; otherwise each node may
//     begin with one chunk unasked. A day that is over is replaced by the next
//     round, so that midnight drops no datagram.
//   - Rates: allocations and credentials a minute. A strict one asks; another is
//     held by each node alone, reported, and refused while the store says so.
//   - Every user's bytes are counted. A node remembers as many accounts as its ledger
//     has room for; when half of it is taken it forgets those that nothing limits and
//     that the store knows all of.
//   - A user's bit rate is divided by the places the nodes hold, as last heard.
//
// # When the store is away
//
// [Rule] says for each limit what then: [Local], [Allow] or [Deny]. What lives keeps
// its places and what it has taken ahead, under any of them. A strict limit is not
// held by a store that was found empty less than five seconds ago, since other nodes
// may not have said yet what they hold; it does what OnStoreError says. So do all
// limits until the first round. Everything spent meanwhile is settled on return.
//
// # For whoever wires it
//
// One Shared a process, with Run in a goroutine until the server has ended its
// sessions: Run's last act gives places and bytes back. Reserve takes the place of
// [Ledger.Reserve]; if asked, park the request until done is called, within
// [SharedOptions].Deadline, from another goroutine and maybe before Reserve returns.
// Confirm and Release stay as they are. An asked place that is not confirmed lapses
// in the store after ten seconds, but on the node only with Release.
// [Shared.SetRules] is for reloads. OnTransition is called with a lock held: it logs,
// and calls nothing of the Shared.
package ratelimit
