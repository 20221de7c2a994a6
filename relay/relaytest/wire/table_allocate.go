package wire

import "fmt"

func allocates() []Case {
	bad := func(name, rfc string, parts ...Part) Case {
		return Case{name, rfc, 0, 0, []Step{ask(allocate(append(parts, by(Alice))...)).get(refused(400))}}
	}
	all := []Case{
		{"granted", "8656 §7.2", 0, 0, []Step{ask(allocate(by(Alice))).get(allocated(600).under(Alice))}},
		{"sent again, answered the same", "8656 §7.2", 0, 0, []Step{
			ask(allocate(transaction(1), by(Alice))).get(allocated(600).under(Alice)),
			ask(allocate(transaction(1), by(Alice))).get(again())}},
		{"a second one", "8656 §7.2", 0, 0, []Step{session(Alice), ask(allocate(by(Alice))).get(refused(437))}},
		{"the five-tuple again after the end", "8656 §7.3", 0, 0, []Step{
			session(Alice), given(ask(refresh(lifetime(0), by(Alice))).get(success(life(0)).under(Alice))),
			ask(allocate(by(Alice))).get(allocated(600).under(Alice))}},
		{"no REQUESTED-TRANSPORT", "8656 §7.2", 0, 0, []Step{
			ask(message(typeAllocate, []Part{lifetime(600), by(Alice)})).get(refused(400))}},
		{"REQUESTED-TRANSPORT TCP (RFC 6062)", "8656 §7.2", 0, 0, []Step{
			ask(message(typeAllocate, []Part{transport(protocolTCP), by(Alice)})).get(refused(442))}},
		{"REQUESTED-TRANSPORT 255", "8656 §7.2", 0, 0, []Step{
			ask(message(typeAllocate, []Part{transport(255), by(Alice)})).get(refused(442))}},
		{"REQUESTED-TRANSPORT of one byte", "8656 §18.8", 0, 0, []Step{
			ask(message(typeAllocate, []Part{attr(attrTransport, protocolUDP), by(Alice)})).get(refused(400))}},
		{"REQUESTED-TRANSPORT twice: the first counts", "8489 §14", 0, 0, []Step{
			ask(allocate(transport(protocolTCP), by(Alice))).get(allocated(600).under(Alice))}},
		bad("LIFETIME of three bytes", "8656 §18.2", attr(attrLifetime, 0, 0, 9)),
		{"LIFETIME twice: the first counts", "8489 §14", 0, 0, []Step{
			ask(allocate(lifetime(1200), lifetime(900), by(Alice))).get(allocated(1200).under(Alice))}},
	}
	for _, l := range []struct{ asked, granted uint32 }{{0, 600}, {1, 600}, {1200, 1200}, {3540, 3540}, {3600, 3540}, {1<<32 - 1, 3540}} {
		all = append(all, Case{fmt.Sprintf("LIFETIME %d", l.asked), "8656 §7.2", 0, 0, []Step{
			ask(allocate(lifetime(l.asked), by(Alice))).get(allocated(l.granted).under(Alice))}})
	}
	return append(all, []Case{
		{"BANDWIDTH means nothing", "5766, drafts", 0, 0, []Step{ask(allocate(attr32(attrBandwidth, 64), by(Alice))).get(allocated(600).under(Alice))}},
		{"CHANGE-REQUEST is not understood", "8489 §6.3.1", 0, 0, []Step{
			ask(allocate(attr32(attrChangeRequest, 6), by(Alice))).get(failure(420, unknowns(attrChangeRequest)).under(Alice))}},
		{"more than a user may have", "8656 §7.2", 0, 0, []Step{
			session(Alice), session(Alice).at("b"), session(Alice).at("c"), ask(allocate(by(Alice))).at("d").get(refused(486))}},
		{"no port is left", "8656 §7.2", UDP, Full, []Step{session(Alice).at("b"), ask(allocate(by(Alice))).get(refused(508))}},
		{"the server is about to end; who is there stays", "8656 §7.2", UDP, Draining, []Step{
			session(Alice).at("b"), draining(), ask(allocate(by(Alice))).get(refused(403)),
			ask(refresh(by(Alice))).at("b").get(success(life(600)).under(Alice))}},
	}...)
}

func ports() []Case {
	bad := func(name, rfc string, parts ...Part) Case {
		return Case{name, rfc, 0, 0, []Step{ask(allocate(append(parts, by(Alice))...)).get(refused(400))}}
	}
	even := allocatedAt(600, evenOne).under(Alice)
	pair := allocatedAt(600, evenOne, aToken()).under(Alice)
	return []Case{
		{"EVEN-PORT", "8656 §7.2", 0, 0, []Step{ask(allocate(evenPort(false), by(Alice))).get(even)}},
		{"EVEN-PORT, all bits but R", "8656 §18.7", 0, 0, []Step{ask(allocate(attr(attrEvenPort, 0x7F), by(Alice))).get(even)}},
		{"EVEN-PORT with R, then its RESERVATION-TOKEN: the next port", "8656 §7.2", 0, 0, []Step{
			ask(allocate(evenPort(true), by(Alice))).get(pair),
			ask(allocate(token, by(Alice))).at("b").get(allocatedAt(600, theNext).under(Alice))}},
		{"a RESERVATION-TOKEN that is used", "8656 §7.2", 0, 0, []Step{
			given(ask(allocate(evenPort(true), by(Alice))).get(pair)),
			given(ask(allocate(token, by(Alice))).at("b").get(allocatedAt(600, theNext).under(Alice))),
			ask(allocate(token, by(Alice))).at("c").get(refused(508))}},
		{"a RESERVATION-TOKEN of another user", "8656 §7.2", 0, 0, []Step{
			given(ask(allocate(evenPort(true), by(Alice))).get(pair)),
			ask(allocate(token, by(Bob))).at("b").get(failure(508).under(Bob))}},
		{"a RESERVATION-TOKEN that nobody gave", "8656 §7.2", 0, 0, []Step{
			ask(allocate(attr(attrToken, text(8)...), by(Alice))).get(refused(508))}},
		bad("RESERVATION-TOKEN of seven bytes", "8656 §18.10", attr(attrToken, text(7)...)),
		bad("RESERVATION-TOKEN and EVEN-PORT", "8656 §7.2", attr(attrToken, text(8)...), evenPort(false)),
		bad("RESERVATION-TOKEN and REQUESTED-ADDRESS-FAMILY", "8656 §7.2", attr(attrToken, text(8)...), family(1)),
		bad("EVEN-PORT of no bytes", "8656 §18.7", attr(attrEvenPort)),
		bad("EVEN-PORT of two bytes", "8656 §18.7", attr(attrEvenPort, 0, 0)),
		{"IPv4 by name", "8656 §7.2", 0, 0, []Step{ask(allocate(family(1), by(Alice))).get(allocated(600).under(Alice))}},
		{"IPv6 where there is none", "8656 §7.2", 0, 0, []Step{ask(allocate(family(2), by(Alice))).get(refused(440))}},
		{"a family that there is not", "8656 §7.2", 0, 0, []Step{ask(allocate(family(3), by(Alice))).get(refused(440))}},
		bad("REQUESTED-ADDRESS-FAMILY of one byte", "8656 §18.6", attr(attrFamily, 1)),
	}
}
