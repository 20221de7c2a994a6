package wire

func datas() []Case {
	lost := func(m Message) Step { return ask(m).get(silence()) }
	through := func(s string) Step { return ask(send(peer(thePeer), data(s))).get(relays(s)) }
	spoiled := func(name, rfc string, over Over, m Message) Case {
		c := on(name, rfc, permitted(), lost(m), through("behind it"))
		c.Over = over
		return c
	}
	unbound := func(name, rfc string, over Over, m Message) Case {
		c := on(name, rfc, bound(), lost(m), through("behind it"))
		c.Over = over
		return c
	}
	return []Case{
		{"Send without an allocation", "8656 §11.2", 0, 0, []Step{lost(send(peer(thePeer), data("lost")))}},
		on("Send without a permission, then with one", "8656 §11.2", lost(send(peer(thePeer), data("lost"))), permitted(), through("let through")),
		on("Send to another port of a permitted host", "8656 §9", given(ask(permit(peer(otherPeer), by(Alice))).get(success().under(Alice))), through("any port")),
		on("Send with FINGERPRINT", "8489 §7", permitted(), ask(send(peer(thePeer), data("marked"), fingerprint)).get(relays("marked"))),
		on("Send of nothing", "8656 §11.2", permitted(), through("")),
		spoiled("Send with a wrong FINGERPRINT", "8489 §7", 0, send(peer(thePeer), data("lost"), attr32(attrFingerprint, 1))),
		spoiled("Send without DATA", "8656 §11.2", 0, send(peer(thePeer))),
		spoiled("Send without a peer", "8656 §11.2", 0, send(data("lost"))),
		spoiled("Send to port 0", "8656 §11.2", 0, send(peer("93.184.216.2:0"), data("lost"))),
		spoiled("Send to an IPv6 peer", "8656 §11.2", 0, send(peer(peerIPv6), data("lost"))),
		spoiled("Send to an IPv4 peer as an IPv6 address", "8656 §11.2", 0, send(peer(mappedPeer), data("lost"))),
		spoiled("Send with an attribute that must be understood and is not", "8489 §6.3.2", 0, send(peer(thePeer), data("lost"), attr(0x7FFF))),
		spoiled("Data from a client", "8656 §11", 0, message(typeData, []Part{peer(thePeer), data("lost")})),
		on("what the peer sends comes as a Data indication", "8656 §11.3", permitted(), fromPeer("hello").get(brings(0, "hello"))),
		on("what an unknown peer sends does not", "8656 §11.3", given(ask(permit(peer(otherHost), by(Alice))).get(success().under(Alice))),
			fromPeer("lost"), fromPeerAt(otherHost, "hello").get(brings(0, "hello"))),
		on("ChannelBind gives a permission", "8656 §12.2", bound(), through("hello")),
		on("what the peer sends comes by the channel", "8656 §12.7", bound(),
			fromPeer("hello").get(brings(0x4000, "hello")), fromPeer("four").get(brings(0x4000, "four")), fromPeer("").get(brings(0x4000, ""))),
		onUDP("ChannelData without padding", "8656 §12.5", bound(), ask(channelData(0x4000, 5, "hello")).get(relays("hello"))),
		on("ChannelData with padding", "8656 §12.5", bound(), ask(channelData(0x4000, 5, "hello\x00\x00\x00")).get(relays("hello"))),
		on("ChannelData of nothing", "8656 §12.4", bound(), ask(channelData(0x4000, 0, "")).get(relays(""))),
		unbound("ChannelData longer than its length says", "8656 §12.4", UDP, channelData(0x4000, 4, "lost and more")),
		unbound("ChannelData shorter than its length says", "8656 §12.4", UDP, channelData(0x4000, 200, "lost")),
		unbound("ChannelData of three bytes", "8656 §12.4", UDP, channelData(0x4000, 0, "").and(cut(3))),
		unbound("ChannelData on another channel", "8656 §12.6", 0, channelData(0x4001, 4, "lost")),
		unbound("ChannelData on 0x5000", "8656 §12", 0, channelData(0x5000, 4, "lost")),
		onUDP("ChannelData and Data of the same peer's ports", "8656 §12.7", bound(), fromPeer("one").get(brings(0x4000, "one")), through("and back")),
		on("from one client's relayed address to another's", "8656 §11.3", session(Bob).at("b"),
			given(ask(permit(peerOf("b"), by(Alice))).get(success().under(Alice))),
			given(ask(permit(peerOf(""), by(Bob))).at("b").get(success().under(Bob))),
			ask(send(peerOf("b"), data("hello"))).get(hands("b", "hello"))),
		{"ChannelData without an allocation", "8656 §12.6", UDP, 0, []Step{lost(channelData(0x4000, 4, "lost"))}},
	}
}

func onUDP(name, rfc string, steps ...Step) Case {
	c := on(name, rfc, steps...)
	c.Over = UDP
	return c
}

// and adds parts.
func (m Message) and(parts ...Part) Message { return append(m, parts...) }

func streams() []Case {
	closes := func(name, rfc string, m Message) Case {
		return Case{name, rfc, Streams, 0, []Step{ask(m).get(closing())}}
	}
	whole := success(mapped())
	behind := func(c Case) Case {
		c.Over = Streams
		return c
	}
	return []Case{
		{"a message byte by byte", "8489 §6.2.2", Streams, 0, []Step{ask(binding()).get(whole).inPieces()}},
		{"ChannelData to begin with", "8656 §12.6", TCP, 0, []Step{ask(channelData(0x4000, 4, "lost")).get(closing())}},
		{"ChannelData to begin with inside TLS", "8656 §12.6", TLS, 0, []Step{ask(channelData(0x4000, 4, "lost")).get(silence())}},
		closes("nine bytes that stop stock pion (pion/turn#593)", "8656 §12.5", channelData(0x4000, 0xFFFC, "\x00\x00\x00\x00\x00")),
		closes("a message of 65,536 bytes", "8489 §6.1", binding(edit(2, 0xFF, 0xEC))),
		behind(on("ChannelData of 65,532 bytes, announced on a live allocation", "8656 §12.5", bound(),
			ask(channelData(0x4000, 0xFFFC, "")).get(closing()))),
		behind(on("no cookie, on a live allocation", "8489 §5", ask(binding(edit(4, 0, 0, 0, 0))).get(closing()))),
		behind(on("ChannelData of one byte waits for nothing", "8656 §12.5", bound(), ask(channelData(0x4000, 1, "x\x00\x00\x00")).get(relays("x")))),
	}
}
