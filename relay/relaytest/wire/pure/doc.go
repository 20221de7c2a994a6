// Package pure runs the table of package wire against the gate alone: no
// socket, no engine, no data plane; a fixed clock and a fixed nonce key, so that
// every byte is the same in each run. What the gate hands on is answered by an
// office of a few lines, which knows what the relay's tables would: whose the
// allocation is, which ports and channels are taken. That the relay decides the
// same is for the run against the real server to show.
package pure
