// Package wire is the table of what goes over the wire: for every rule of the
// RFCs that a client can see, what it sends, and the answer byte for byte, or
// silence. [Table] is published as docs/wire.md.
//
// One table, three runs:
//
//   - against the gate alone, with a fixed clock (package pure);
//   - against the binary, over UDP, TCP and TLS (cmd/turnpike, TestWireCases);
//   - against stock pion/turn v4, the negative control: what it does instead is
//     in stock.tsv, which TestStockPion compares.
//
// # To add a case
//
// Add a line to the chapter it belongs to:
//
//	on("LIFETIME 0 ends the allocation", "8656 §7.3",
//		ask(refresh(lifetime(0), by(Alice))).get(success(life(0)).under(Alice)),
//		ask(refresh(by(Alice))).get(refused(437))),
//
// A message is a type and parts (parts.go): attributes in the order they are
// sent, then who signs. attr and attr32 make any attribute, raw, edit and cut
// any bytes; a nonce is fetched when by is the first to need one. A wanted
// answer (want.go) is its attributes in their order. The rest is the same for
// all, and compared too: type and transaction, zero padding, MESSAGE-INTEGRITY
// under the key of who is named and else none, FINGERPRINT if the request had
// it, no SOFTWARE, no reason phrase, no byte more. Silence shows by the answer
// to a Binding behind it; that nothing reached the peer by what reaches it
// later.
//
// A new attribute gets its number in parts.go and its name in describe.go. What
// takes another configuration is a [Setting]: it gets its gate in package pure
// (New, Server) and its server in TestWireCases. Then write stock.tsv and the page anew:
//
//	go test ./relay/relaytest/wire -run TestStockPion -update
//	go test ./relay/relaytest/wire/pure -run TestPage -update
package wire
