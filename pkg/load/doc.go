// Package load is a load client for TURN servers, ours or another: it makes
// allocations, relays packets through them in both directions, and tells how
// many arrived, how fast, how late, and what the server spent on it.
//
// [Run] does one [Scenario]. Each of the flows has two ends, a client's line
// and a peer's, and packets that name the run, their flow, their number and the
// time they were sent at; whoever receives one checks all of that and where it
// came from. All clocks are one, so a latency is a difference.
//
// # Why it is made like this
//
// It shares a machine with what it measures, so it must be cheap, and it must
// not be the slowest. Sockets receive and send in batches, with segmentation
// both ways ([turnpike/pkg/udpio]). Nobody hands a packet to somebody else: in a
// closed loop the goroutine that receives a batch sends the packets that it lets
// out; by the clock, one goroutine sends and receivers only count. Nothing on
// that way allocates. Its own codec of STUN is what that takes.
//
// A client that sleeps until something arrives makes the server pay for waking
// it, on one machine: on that of the sender. [Options].Poll keeps it awake.
package load
