// Package dataplane is the contract between the relay and whatever moves its
// datagrams.
//
// A [Plane] owns every UDP socket of the server: the listeners that clients
// send to and one relay socket an allocation. It demultiplexes what arrives,
// relays channel data and Send indications by itself, and hands everything
// else up to a [Control] function in the socket's own worker loop, whose
// answer it sends at once. The relay never reads a UDP socket.
//
// The plane decides nothing about who may talk to whom. For every datagram, in
// either direction, it asks the [Pass] of the flow, and obeys.
//
//	client --> listener --+-- ChannelData, Send --> Pass.ToPeer ---> relay socket --> peer
//	                      `-- anything else ------> Control --> answer
//	peer ----> relay socket ----------------------> Pass.ToClient -> listener ------> client
//	client --> listener --> Pass.ToPeer --> own live relay --> Pass.ToClient --> other client
//
// The last line is relay to relay: two clients of this server whose peers are
// each other's relayed transport addresses. Their datagrams never touch the
// network, so this works behind a NAT without hairpin, and a relay port is the
// only address of ours that can be reached at all.
//
// # Two families
//
// A client may have a flow of each address family (RFC 8656 §7.1,
// ADDITIONAL-ADDRESS-FAMILY). A datagram of the client is judged once, for both;
// then the family of its peer says which of them sends and counts it, from which
// relay socket. What the Pass refuses counts for either of them. Each flow is
// installed and removed, and ends, by itself.
//
// # Two counters, never one
//
// A [Tally] counts what was handed to the kernel (or to the other session);
// everything else is counted once under the [Verdict] that stopped it. A
// datagram is never cut: too large for its way means dropped and counted.
//
// # Errors of the network
//
// Where a plane is told of ICMP errors it asks the Pass of the flow whether the
// client may hear of them (RFC 8656 §11.5). They are no datagrams: each is counted
// as the [Notice] it became, and in no Tally.
//
// # Planes
//
// Package mmsg is for Linux, and what is used there; package std works
// everywhere Go does; package mem is a network in memory for tests. Package
// planetest holds what every plane must pass. std and mem share [Switch], the
// decision without a socket; mmsg works on batches and keeps tables and counters
// of its own, one a worker.
package dataplane
