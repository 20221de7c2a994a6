package wire

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"regexp"
)

// Want is what a step must bring.
type Want struct {
	kind   kind
	code   int // of an error response; 0 is success
	attrs  []wantAttr
	signer Who
	most   float64 // times the request's size the answer may have; 0: any
	text   string  // that the peer, or the client, must get
	to     string  // the five-tuple of that client
	number uint16  // of the channel that it comes by; 0 is a Data indication
}

type kind uint8

const (
	silent    kind = iota // no answer; a stream goes on
	closed                // no answer; a stream is closed
	answered              // an answer, of which every byte is known
	repeated              // the answer that the same transaction got before
	relayed               // the peer gets a datagram
	delivered             // the client gets a datagram of the peer's
	handed                // a client of the server gets it, by its relayed address
)

// wantAttr is an attribute that the answer must have. value is what it must be;
// got is what it is, for values that only the server knows. nil: got won't do.
type wantAttr struct {
	typ   uint16
	value func(x *exchange, got []byte) []byte
}

func is(typ uint16, value ...byte) wantAttr {
	return wantAttr{typ, func(*exchange, []byte) []byte { return value }}
}

func success(attrs ...wantAttr) Want { return Want{kind: answered, attrs: attrs} }

func failure(code int, attrs ...wantAttr) Want {
	attrs = append([]wantAttr{is(attrErrorCode, 0, 0, byte(code/100), byte(code%100))}, attrs...)
	return Want{kind: answered, code: code, attrs: attrs}
}

// under says that MESSAGE-INTEGRITY must be there, and right.
func (w Want) under(who Who) Want {
	w.signer = who
	return w
}

// atMost bounds the size of the answer, as a multiple of the request's.
func (w Want) atMost(times float64) Want {
	w.most = times
	return w
}

// refused is an error response to alice.
func refused(code int) Want { return failure(code).under(Alice) }

// challenge is a 401, or a 438 for who came with a nonce: realm and a nonce of
// the five-tuple's own, signed by nobody (RFC 8489 §9.2.4).
func challenge(code int) Want {
	nonce := aNonce
	if code == 438 {
		nonce = anotherNonce
	}
	return failure(code, wantAttr{attrRealm, theRealm}, wantAttr{attrNonce, nonce})
}

func theRealm(x *exchange, _ []byte) []byte { return []byte(x.in.dialog.server.Realm) }

// nonceForm never begins with the cookie "obMatJos2" of RFC 8489 §9.2, which
// would promise password algorithms.
var nonceForm = regexp.MustCompile(`^[A-Za-f][A-Za-z0-9_-]{15}$`)

// aNonce is any nonce, of stock pion in any form. Whoever is told that his is
// stale gets another.
func aNonce(x *exchange, got []byte) []byte {
	if !nonceForm.Match(got) && !x.in.dialog.server.Stock {
		return nil
	}
	return got
}

func anotherNonce(x *exchange, got []byte) []byte {
	if used, _ := find(x.request, attrNonce); bytes.Equal(used, got) {
		return nil
	}
	return aNonce(x, got)
}

func mapped() wantAttr {
	return wantAttr{attrMapped, func(x *exchange, _ []byte) []byte { return xorAddress(x.in.local, x.request) }}
}

// allocated is the answer to an Allocate: alice's relayed transport address,
// lifetime, and her own address (RFC 8656 §7.2).
func allocated(seconds uint32) Want { return allocatedAt(seconds, anyPort) }

// allocatedAt is allocated with a port that will do, and more attributes.
func allocatedAt(seconds uint32, port func(x *exchange, port uint16) bool, more ...wantAttr) Want {
	return allocatedOf(func(s *Server) netip.Addr { return s.Relay }, seconds, port, more...)
}

// allocatedIPv6 is allocated with an IPv6 address.
func allocatedIPv6(seconds uint32) Want {
	return allocatedOf(func(s *Server) netip.Addr { return s.RelayIPv6 }, seconds, anyPort)
}

func allocatedOf(relay func(*Server) netip.Addr, seconds uint32, port func(*exchange, uint16) bool, more ...wantAttr) Want {
	attrs := []wantAttr{{attrRelayed, func(x *exchange, got []byte) []byte {
		at, ok := readXOR(got, x.request)
		if !ok || !port(x, at.Port()) {
			return nil
		}
		return xorAddress(netip.AddrPortFrom(relay(x.in.dialog.server), at.Port()), x.request)
	}}, life(seconds)}
	return success(append(append(attrs, more...), mapped())...)
}

func anyPort(_ *exchange, port uint16) bool { return port >= 1024 }

func evenOne(_ *exchange, port uint16) bool { return port%2 == 0 }

// theNext is the port behind the one that the five-tuple named first was given.
func theNext(x *exchange, port uint16) bool {
	return port == x.in.dialog.tuples[""].relayed.Port()+1
}

// aToken is a RESERVATION-TOKEN, which the dialog remembers.
func aToken() wantAttr {
	return wantAttr{attrToken, func(_ *exchange, got []byte) []byte {
		if len(got) != 8 {
			return nil
		}
		return got
	}}
}

func life(seconds uint32) wantAttr {
	return is(attrLifetime, binary.BigEndian.AppendUint32(nil, seconds)...)
}

// unknowns is UNKNOWN-ATTRIBUTES (RFC 8489 §14.13).
func unknowns(types ...uint16) wantAttr {
	var v []byte
	for _, t := range types {
		v = binary.BigEndian.AppendUint16(v, t)
	}
	return is(attrUnknown, v...)
}

func silence() Want { return Want{kind: silent} }

// closing is silence over UDP, and the end of a stream.
func closing() Want { return Want{kind: closed} }

// again is the very answer that the transaction got before.
func again() Want { return Want{kind: repeated} }

// relays is a datagram that the peer gets, from the relayed transport address.
func relays(text string) Want { return Want{kind: relayed, text: text} }

// brings is a datagram that the client gets, as ChannelData or (0) in a Data
// indication that names the peer.
func brings(number uint16, text string) Want {
	return Want{kind: delivered, number: number, text: text}
}

// hands is a Data indication that another five-tuple gets, from the relayed
// transport address of the one that sends.
func hands(to, text string) Want { return Want{kind: handed, to: to, text: text} }
