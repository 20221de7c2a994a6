// Package planetest holds what every data plane must pass. A plane's own test
// calls [Run] with a function that makes a fresh plane and a network around
// it; its benchmark calls [Bench].
//
// Nothing here waits for time. That a datagram was dropped is seen by the
// counters after a barrier: a control message on the same listener for what
// clients sent, Remove for what peers sent (both are promises of the contract).
package planetest
