package wire

func bindings() []Case {
	ok := success(mapped())
	return []Case{
		{"20 bytes are answered with 32", "8489 §6.3.1", 0, 0, []Step{ask(binding()).get(ok.atMost(1.6))}},
		{"FINGERPRINT is mirrored", "8489 §7", 0, 0, []Step{ask(binding(fingerprint)).get(ok)}},
		{"a connectivity check of ICE", "8445 §7.1", 0, 0, []Step{ask(binding(
			attr(attrUsername, []byte("evtj:h6vY")...), attr32(attrPriority, 0x6e0001ff), attr(attrUseCandidate),
			attr(attrControlled, text(8)...), integrity([]byte("VOkJxbRl1RmTxUk/WvJxBt")), fingerprint)).get(ok)}},
		{"the request of short-term credentials", "5769 §2.1", 0, 0, []Step{ask(Message{raw(shortTerm...)}).get(ok)}},
		{"the request of long-term credentials", "5769 §2.4", 0, 0, []Step{ask(Message{raw(longTerm...)}).get(ok)}},
		{"signed by a user, answered like anybody's", "8489 §6.3.1", 0, 0, []Step{ask(binding(by(Alice))).get(ok)}},
		{"signed wrongly, answered like anybody's", "8489 §6.3.1", 0, 0, []Step{ask(binding(by(wrong))).get(ok)}},
		{"an attribute that must be understood and is not", "8489 §6.3.1", 0, 0, []Step{
			ask(binding(attr32(0x7FFF, 1))).get(failure(420, unknowns(0x7FFF)))}},
		{"several of them, one twice", "8489 §14.13", 0, 0, []Step{
			ask(binding(attr(0x7FFF), attr(0x7FFE), attr(0x7FFF), attr(0xC057))).get(failure(420, unknowns(0x7FFF, 0x7FFE)))}},
		{"ten of them: eight are named", "8489 §14.13", 0, 0, []Step{
			ask(binding(attr(0x7000), attr(0x7001), attr(0x7002), attr(0x7003), attr(0x7004), attr(0x7005),
				attr(0x7006), attr(0x7007), attr(0x7008), attr(0x7009))).
				get(failure(420, unknowns(0x7000, 0x7001, 0x7002, 0x7003, 0x7004, 0x7005, 0x7006, 0x7007)).atMost(1))}},
		{"one behind MESSAGE-INTEGRITY does not count", "8489 §14.5", 0, 0, []Step{
			ask(binding(integrity(nil), attr32(0x7FFF, 1))).get(ok)}},
		{"CHANGE-REQUEST is not understood", "5780 §7.2", 0, 0, []Step{
			ask(binding(attr32(attrChangeRequest, 6))).get(failure(420, unknowns(attrChangeRequest)))}},
		{"attributes that need not be understood", "8489 §6.3.1", 0, 0, []Step{ask(binding(attr32(0xC057, 1))).get(ok)}},
		{"1,500 bytes", "8489 §6.1", 0, 0, []Step{ask(binding(attr(attrSoftware, text(1476)...))).get(ok)}},
		{"128 attributes", "8489 §14", 0, 0, []Step{ask(binding(optional(128))).get(ok)}},
	}
}

// RFC 5769 §2.1 and §2.4.
var (
	shortTerm = []byte("\x00\x01\x00\x58\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae" +
		"\x80\x22\x00\x10STUN test client\x00\x24\x00\x04\x6e\x00\x01\xff\x80\x29\x00\x08\x93\x2f\xf9\xb1\x51\x26\x3b\x36" +
		"\x00\x06\x00\x09evtj:h6vY\x20\x20\x20\x00\x08\x00\x14\x9a\xea\xa7\x0c\xbf\xd8\xcb\x56\x78\x1e\xf2\xb5" +
		"\xb2\xd3\xf2\x49\xc1\xb5\x71\xa2\x80\x28\x00\x04\xe5\x7a\x3b\xcf")
	longTerm = []byte("\x00\x01\x00\x60\x21\x12\xa4\x42\x78\xad\x34\x33\xc6\xad\x72\xc0\x29\xda\x41\x2e" +
		"\x00\x06\x00\x12\xe3\x83\x9e\xe3\x83\x88\xe3\x83\xaa\xe3\x83\x83\xe3\x82\xaf\xe3\x82\xb9\x00\x00" +
		"\x00\x15\x00\x1cf//499k954d6OL34oL9FSTvy64sA\x00\x14\x00\x0bexample.org\x00" +
		"\x00\x08\x00\x14\xf6\x70\x24\x65\x6d\xd6\x4a\x3e\x02\xb8\xe0\x71\x2e\x85\xc9\xa2\x8c\xa8\x96\x66")
)

func shapes() []Case {
	quiet := func(name, rfc string, over Over, m ...Message) Case {
		return Case{name, rfc, over, 0, []Step{askAll(m...).get(silence())}}
	}
	closes := func(name, rfc string, over Over, m ...Message) Case {
		return Case{name, rfc, over, 0, []Step{askAll(m...).get(closing())}}
	}
	return []Case{
		quiet("an empty datagram", "8489 §6.3", UDP, Message{}),
		quiet("shorter than a header", "8489 §6.3", UDP, binding(cut(19)), binding(cut(4)), binding(cut(1))),
		closes("the first bit set", "8489 §5", 0, binding(edit(0, 0x80))),
		closes("both first bits set", "8489 §5", 0, binding(edit(0, 0xC0))),
		closes("no magic cookie", "8489 §5", 0, binding(edit(4, 0, 0, 0, 0))),
		closes("a length that is no multiple of four", "8489 §5", 0, binding(raw(0, 0, 0), edit(2, 0, 3))),
		quiet("a length greater than the datagram", "8489 §6.3", UDP, binding(edit(2, 0, 4)), binding(edit(2, 0xFF, 0xEC))),
		quiet("a length smaller than the datagram", "8489 §6.3", UDP, binding(raw(0, 0, 0, 0))),
		quiet("1,504 bytes", "8489 §6.1", 0, binding(attr(attrSoftware, text(1480)...))),
		quiet("129 attributes", "8489 §14", 0, binding(optional(129))),
		quiet("an attribute that overruns the message", "8489 §14", 0,
			binding(attr32(attrSoftware, 0), edit(22, 0, 5)), binding(attr32(attrSoftware, 0), edit(22, 0xFF, 0xFF))),
		quiet("MESSAGE-INTEGRITY of 16 bytes", "8489 §14.5", 0, binding(attr(attrIntegrity, text(16)...))),
		quiet("MESSAGE-INTEGRITY of 32 bytes", "8489 §14.5", 0, binding(attr(attrIntegrity, text(32)...))),
		quiet("MESSAGE-INTEGRITY of no bytes", "8489 §14.5", 0, binding(attr(attrIntegrity))),
		quiet("FINGERPRINT wrong", "8489 §7", 0, binding(attr32(attrFingerprint, 0x78787878))),
		quiet("FINGERPRINT of three bytes", "8489 §14.7", 0, binding(attr(attrFingerprint, text(3)...))),
		quiet("FINGERPRINT not the last attribute", "8489 §14.7", 0, binding(fingerprint, attr32(attrSoftware, 0))),
		quiet("FINGERPRINT twice", "8489 §14.7", 0, binding(fingerprint, fingerprint)),
		quiet("USERNAME of 509 bytes", "8489 §14.3", 0, allocate(attr(attrUsername, text(509)...))),
		quiet("REALM of 764 bytes", "8489 §14.9", 0, allocate(attr(attrRealm, text(764)...))),
		quiet("NONCE of 45 bytes: none is ours", "8489 §14.10", 0, allocate(attr(attrNonce, text(45)...))),
		quiet("NONCE of 1,400 bytes", "8489 §14.10", 0, allocate(attr(attrNonce, text(1400)...))),
		quiet("responses and indications of our methods", "8489 §6.3", 0, foreign(0x10, true)...),
		quiet("the other methods up to 0x1F, in every class", "8489 §6.3.1", 0, foreign(0x20, false)...),
		quiet("and up to 0xFF", "8489 §6.3.1", UDP, foreign(0x100, false)...),
		closes("a method from 0x80 on", "8489 §5", Streams, message(typeOfMethod(0x80, 0), nil)),
		quiet("Connect of RFC 6062", "6062 §5.2", 0, message(0x000A, []Part{peer(thePeer)})),
		quiet("Shared Secret of RFC 3489", "8489 §18.2", 0, message(0x0002, nil)),
		closes("the hello of TLS", "7983 §7", UDP, Message{raw([]byte("\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00 and some bytes more")...)}),
		closes("HTTP", "7983 §7", 0, Message{raw([]byte("GET / HTTP/1.1\r\nHost: turn.example.org\r\n\r\n")...)}),
	}
}

// foreign are messages of every class and of the methods below end: of those
// that are answered as requests, all but the requests, or else of all others.
func foreign(end uint16, answered bool) (all []Message) {
	ours := map[uint16]bool{typeBinding: true, typeAllocate: true, typeRefresh: true, typePermission: true, typeChannel: true}
	for method := range end {
		for class := range uint16(4) {
			if ours[method] == answered && (class > 0 || !answered) {
				all = append(all, message(typeOfMethod(method, class), []Part{transport(protocolUDP)}))
			}
		}
	}
	return all
}

// typeOfMethod is a message type (RFC 8489 §5, figure 3).
func typeOfMethod(method, class uint16) uint16 {
	return method&0x0F | method&0x70<<1 | method&0xF80<<2 | class&1<<4 | class&2<<7
}
