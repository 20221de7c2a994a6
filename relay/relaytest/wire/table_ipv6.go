package wire

// overIPv6 are cases of clients that come by IPv6, at a server with relayed
// addresses of both families.
func overIPv6() []Case {
	of := func(name, rfc string, steps ...Step) Case { return Case{name, rfc, 0, IPv6, steps} }
	six := given(ask(allocate(family(2), by(Alice))).get(allocatedIPv6(600).under(Alice)))
	ok := success().under(Alice)
	refuse := func(name, rfc string, code int, m Message) Case {
		return of(name, rfc, six, ask(append(m, by(Alice))).get(refused(code)))
	}
	return []Case{
		of("20 bytes are answered with 44", "8489 §6.3.1", ask(binding()).get(success(mapped()).atMost(2.2))),
		of("no credentials", "8489 §9.2.3.1", ask(allocate()).get(challenge(401).atMost(2.4))),
		of("no family named: IPv4", "8656 §7.2", ask(allocate(by(Alice))).get(allocated(600).under(Alice))),
		of("IPv6 by name", "8656 §7.2", ask(allocate(family(2), by(Alice))).get(allocatedIPv6(600).under(Alice))),
		of("an IPv6 peer on an IPv4 address", "8656 §10.2", session(Alice), ask(permit(peer(peerIPv6), by(Alice))).get(refused(443))),
		of("Refresh of the allocation's family", "8656 §7.3", six, ask(refresh(family(2), by(Alice))).get(success(life(600)).under(Alice))),
		of("Refresh of another", "8656 §7.3", six, ask(refresh(family(1), by(Alice))).get(refused(443))),
		refuse("an IPv4 peer on an IPv6 address", "8656 §10.2", 443, permit(peer(thePeer))),
		refuse("one as an IPv6 address", "8656 §10.2", 443, permit(peer(mappedPeer))),
		refuse("a channel to one as an IPv6 address", "8656 §12.2", 443, bind(0x4000, peer(mappedPeer))),
		refuse("peers of both families", "8656 §10.2", 443, permit(peer(peerIPv6), peer(thePeer))),
		refuse("loopback", "8656 §10.2", 403, permit(peer("[::1]:1"))),
		refuse("loopback by NAT64", "8656 §10.2", 403, permit(peer("[64:ff9b::7f00:1]:1"))),
		refuse("a unique local address", "8656 §10.2", 403, permit(peer("[fd00::1]:1"))),
		refuse("the server itself", "8656 §21.1.7", 403, bind(0x4000, address(attrPeer, ListenerIPv6))),
		of("Send, and a Data indication back", "8656 §11.2", six, given(ask(permit(peer(peerIPv6), by(Alice))).get(ok)),
			ask(send(peer(peerIPv6), data("hello"))).get(relays("hello")).to(peerIPv6),
			fromPeerAt(peerIPv6, "and back").get(brings(0, "and back"))),
		of("ChannelData both ways", "8656 §12.6", six, given(ask(bind(0x4000, peer(peerIPv6), by(Alice))).get(ok)),
			ask(channelData(0x4000, 4, "four")).get(relays("four")).to(peerIPv6),
			fromPeerAt(peerIPv6, "and back").get(brings(0x4000, "and back"))),
	}
}
