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
// The ledger decides alone and at once. What is shared between nodes is to be
// settled behind it: a grant of bytes taken ahead is a day's limit, and a slot
// held elsewhere is a place taken. Nothing here will ever wait for that.
package ratelimit
