package wire

import "fmt"

// on is a case of alice's on her live allocation.
func on(name, rfc string, steps ...Step) Case {
	return Case{name, rfc, 0, 0, append([]Step{session(Alice)}, steps...)}
}

func refreshes() []Case {
	ok := func(seconds uint32) Want { return success(life(seconds)).under(Alice) }
	all := []Case{
		on("no LIFETIME", "8656 §7.3", ask(refresh(by(Alice))).get(ok(600))),
		on("LIFETIME 0 ends the allocation", "8656 §7.3", ask(refresh(lifetime(0), by(Alice))).get(ok(0)), ask(refresh(by(Alice))).get(refused(437))),
		{"no allocation", "8656 §5", 0, 0, []Step{
			ask(refresh(by(Alice))).get(refused(437)), ask(refresh(lifetime(0), by(Alice))).get(refused(437))}},
	}
	for _, l := range []struct{ asked, granted uint32 }{{1, 600}, {1200, 1200}, {3600, 3540}, {1<<32 - 1, 3540}} {
		all = append(all, on(fmt.Sprintf("LIFETIME %d", l.asked), "8656 §7.3", ask(refresh(lifetime(l.asked), by(Alice))).get(ok(l.granted))))
	}
	return append(all,
		on("LIFETIME of five bytes", "8656 §18.2", ask(refresh(attr(attrLifetime, text(5)...), by(Alice))).get(refused(400))),
		on("the allocation's family", "8656 §7.3", ask(refresh(family(1), by(Alice))).get(ok(600))),
		on("another family", "8656 §7.3", ask(refresh(family(2), by(Alice))).get(refused(443))),
		on("REQUESTED-ADDRESS-FAMILY of one byte", "8656 §18.6", ask(refresh(attr(attrFamily, 1), by(Alice))).get(refused(400))),
	)
}

func permissions() []Case {
	ok := success().under(Alice)
	refuse := func(name, rfc string, code int, parts ...Part) Case {
		return on(name, rfc, ask(permit(append(parts, by(Alice))...)).get(refused(code)))
	}
	return []Case{
		on("one peer", "8656 §10.2", ask(permit(peer(thePeer), by(Alice))).get(ok)),
		on("several peers", "8656 §10.2", ask(permit(peer(thePeer), peer(otherHost), by(Alice))).get(ok)),
		on("a port means nothing, 0 neither", "8656 §10.2", ask(permit(peer("93.184.216.2:0"), by(Alice))).get(ok)),
		{"no allocation", "8656 §5", 0, 0, []Step{ask(permit(peer(thePeer), by(Alice))).get(refused(437))}},
		refuse("no peer", "8656 §10.2", 400),
		refuse("XOR-PEER-ADDRESS of five bytes", "8489 §14.2", 400, attr(attrPeer, 0, 1, 2, 3, 4)),
		refuse("XOR-PEER-ADDRESS of IPv4 with the size of IPv6", "8489 §14.2", 400, attr(attrPeer, append([]byte{0, 1}, text(18)...)...)),
		refuse("XOR-PEER-ADDRESS of no family", "8489 §14.2", 400, attr(attrPeer, 0, 3, 0, 0, 0, 0, 0, 0)),
		refuse("one good peer and one malformed", "8656 §10.2", 400, peer(thePeer), attr(attrPeer)),
		refuse("an IPv6 peer", "8656 §10.2", 443, peer(peerIPv6)),
		refuse("an IPv4 peer as an IPv6 address", "8656 §10.2", 443, peer(mappedPeer)),
		refuse("loopback as an IPv6 address", "8656 §10.2", 443, peer("[::ffff:127.0.0.1]:1")),
		refuse("a private peer", "8656 §10.2", 403, peer(deniedPeer)),
		refuse("loopback", "8656 §10.2", 403, peer("127.0.0.1:1")),
		refuse("the unspecified address", "8656 §10.2", 403, peer("0.0.0.0:1")),
		refuse("the metadata service of clouds", "8656 §10.2", 403, peer("169.254.169.254:80")),
		refuse("multicast", "8656 §10.2", 403, peer("224.0.0.1:1")),
		refuse("broadcast", "8656 §10.2", 403, peer("255.255.255.255:1")),
		on("64 peers", "8656 §10.2", ask(permit(peers(64), by(Alice))).get(ok)),
		refuse("65 peers", "8656 §10.2", 508, peers(65)),
		on("all or nothing", "8656 §10.2",
			ask(permit(peer(thePeer), peer(deniedPeer), by(Alice))).get(refused(403)),
			ask(send(peer(thePeer), data("lost"))).get(silence()),
			permitted(), ask(send(peer(thePeer), data("let through"))).get(relays("let through"))),
		on("a refusal leaves the allocation alone", "8656 §10.2",
			permitted(), ask(permit(peer(deniedPeer), by(Alice))).get(refused(403)),
			ask(send(peer(thePeer), data("goes on"))).get(relays("goes on")), ask(refresh(by(Alice))).get(success(life(600)).under(Alice))),
	}
}

func channels() []Case {
	ok := success().under(Alice)
	refuse := func(name, rfc string, code int, m Message) Case {
		return on(name, rfc, ask(append(m, by(Alice))).get(refused(code)))
	}
	all := []Case{
		{"no allocation", "8656 §5", 0, 0, []Step{ask(bind(0x4000, peer(thePeer), by(Alice))).get(refused(437))}},
	}
	for _, n := range []uint16{0x4000, 0x4FFF} {
		all = append(all, on(fmt.Sprintf("channel %#x", n), "8656 §12", ask(bind(n, peer(thePeer), by(Alice))).get(ok)))
	}
	for _, n := range []uint16{0, 0x3FFF, 0x5000, 0x7FFF, 0x8000, 0xFFFF} {
		all = append(all, refuse(fmt.Sprintf("channel %#x", n), "8656 §12", 400, bind(n, peer(thePeer))))
	}
	for _, n := range []uint16{0x5000, 0x7FFF} {
		c := on(fmt.Sprintf("channel %#x, with compatibility.rfc5766_channels", n), "5766 §11", ask(bind(n, peer(thePeer), by(Alice))).get(ok))
		c.Setting = Old
		all = append(all, c)
	}
	return append(all,
		on("the same again", "8656 §12.2", bound(), ask(bind(0x4000, peer(thePeer), by(Alice))).get(ok)),
		on("the same channel to another port", "8656 §12.2", bound(), ask(bind(0x4000, peer(otherPeer), by(Alice))).get(refused(400))),
		on("the same channel to another host", "8656 §12.2", bound(), ask(bind(0x4000, peer(otherHost), by(Alice))).get(refused(400))),
		on("another channel to the same peer", "8656 §12.2", bound(), ask(bind(0x4001, peer(thePeer), by(Alice))).get(refused(400))),
		on("another channel to another port", "8656 §12.2", bound(), ask(bind(0x4001, peer(otherPeer), by(Alice))).get(ok)),
		on("the bits behind the number mean nothing", "8656 §18.1", ask(message(typeChannel, []Part{attr(attrChannel, 0x40, 0, 0xFF, 0xFF), peer(thePeer), by(Alice)})).get(ok)),
		refuse("no CHANNEL-NUMBER", "8656 §12.2", 400, message(typeChannel, []Part{peer(thePeer)})),
		refuse("CHANNEL-NUMBER of two bytes", "8656 §18.1", 400, message(typeChannel, []Part{attr(attrChannel, 0x40, 0), peer(thePeer)})),
		refuse("no peer", "8656 §12.2", 400, bind(0x4000)),
		refuse("two peers", "8656 §12.1", 400, bind(0x4000, peer(thePeer), peer(otherPeer))),
		refuse("port 0", "8656 §12.2", 400, bind(0x4000, peer("93.184.216.2:0"))),
		refuse("XOR-PEER-ADDRESS of five bytes", "8489 §14.2", 400, bind(0x4000, attr(attrPeer, 0, 1, 2, 3, 4))),
		refuse("an IPv6 peer", "8656 §12.2", 443, bind(0x4000, peer(peerIPv6))),
		refuse("an IPv4 peer as an IPv6 address", "8656 §12.2", 443, bind(0x4000, peer(mappedPeer))),
		refuse("a private peer", "8656 §12.2", 403, bind(0x4000, peer(deniedPeer))),
		refuse("loopback", "8656 §12.2", 403, bind(0x4000, peer("127.0.0.1:22"))),
		refuse("the server itself", "8656 §21.1.7", 403, bind(0x4000, address(attrPeer, Listener))),
	)
}
