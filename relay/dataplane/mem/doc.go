// Package mem is a data plane whose network is in memory: hosts are queues,
// a send is a function call. It passes the same contract test as the planes
// with sockets and drives the tests of everything above them, under a fake
// clock too: a datagram is relayed in the goroutine that sent it, so when a
// Write returns, whatever it caused at once has happened.
package mem
