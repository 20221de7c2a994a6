// Command versus measures turnpike against coturn and stock pion, side by side
// on one machine. make bench runs it; as root, from the source tree:
//
//	go run ./relay/relaytest/versus [--quick] [--cells REGEXP] [--rounds N] [--json FILE]
//
// It builds turnpike and stock pion, takes coturn as Debian ships it, and joins
// two network namespaces by a wire without an uplink. The server under test has
// one of them and a processor to itself; `turnpike load` plays clients and
// peers in the other, on another processor. Every run starts a fresh server, and
// servers alternate: A B C, C B A, ...
//
// # What is measured
//
// CPU time is what the scheduler has counted for the server's threads in the
// measured seconds, so it includes the kernel's work for its packets: sending,
// and on a veth also the other end's receiving. What counts is the ratio to
// coturn in the same round. Absolute figures are those of the machine, and drift
// by a quarter on a virtual one; ratios that differ by less than 15 % say
// nothing.
//
// Whoever else used the processors meanwhile is measured too, and more than a
// tenth of one is warned of.
//
// # Under attack
//
// The cell "under attack" compares turnpike with itself: 100 sessions at a steady
// rate, beside each flood of floods.go in turn. Floods come from the load's
// namespace and processor, by a process of this same command, as soon as the
// sessions are there; forged addresses have no host, so that what they are
// answered is counted where it arrives and goes nowhere. make proof runs it.
//
// # What is set
//
// net.core.rmem_default is 4 MiB while it runs, for all servers alike, and is
// then what it was. Limits of turnpike that a closed loop would run into are
// raised; the output says which.
//
// Nothing is left behind, however it ends: the namespaces have no names, only
// the processes in them, and these end with it. After SIGKILL alone
// rmem_default stays as it is.
package main
