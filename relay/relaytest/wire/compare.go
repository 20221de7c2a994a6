package wire

import (
	"bytes"
	"crypto/hmac"
	"encoding/binary"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// compare says how an answer deviates from what is wanted, or nothing.
func (x *exchange) compare(w *Want, got []byte) string {
	if !answers(got, x.request) {
		return "answers another request"
	}
	if w.kind == repeated {
		if !bytes.Equal(got, x.in.answers[string(got[8:headerSize])]) {
			return "another answer: " + summary(got)
		}
		return ""
	}
	if w.kind != answered || codeOf(got) != w.code {
		return summary(got)
	}
	want, faults := x.wanted(w, got)
	if float64(len(got)) > w.most*float64(len(x.request)) && w.most > 0 {
		faults = append(faults, fmt.Sprintf("%d bytes for %d", len(got), len(x.request)))
	}
	if len(faults) == 0 && !x.in.dialog.server.Stock && !bytes.Equal(got, want) {
		faults = append(faults, fmt.Sprintf("%x, want %x", got, want))
	}
	if len(faults) > 0 {
		return summary(got) + ", " + strings.Join(faults, ", ")
	}
	return ""
}

// wanted is the answer byte for byte: attributes in their order with zero
// padding and nothing else, MESSAGE-INTEGRITY under the signer's key,
// FINGERPRINT if the request had it. What only the server knows is taken from
// the answer itself. faults are what can be told without comparing bytes.
func (x *exchange) wanted(w *Want, got []byte) (want []byte, faults []string) {
	typ := binary.BigEndian.Uint16(x.request) | classSuccess
	if w.code != 0 {
		typ |= classError
	}
	want = binary.BigEndian.AppendUint16(nil, typ)
	want = append(want, 0, 0)
	want = append(want, x.request[4:headerSize]...)
	for _, a := range w.attrs {
		v, there := find(got, a.typ)
		must := a.value(x, v)
		switch {
		case !there:
			faults = append(faults, "no "+attrName(a.typ))
		case must == nil:
			faults = append(faults, "another "+attrName(a.typ))
		case !bytes.Equal(v, must):
			faults = append(faults, attrText(a.typ, v, got))
		}
		want = appendAttr(want, a.typ, must)
	}
	if w.signer != "" {
		d := &draft{b: want, in: x.in}
		integrity(x.in.dialog.server.user(w.signer).key(x.in.dialog.server.Realm))(d)
		want = d.b
	}
	if fault := x.signature(w, got); fault != "" {
		faults = append(faults, fault)
	}
	if _, asked := find(x.request, attrFingerprint); asked {
		d := &draft{b: want, in: x.in}
		fingerprint(d)
		want = d.b
		if _, there := find(got, attrFingerprint); !there {
			faults = append(faults, "no FINGERPRINT")
		}
	}
	return sealed(want), faults
}

// signature says what is wrong with the MESSAGE-INTEGRITY of an answer.
func (x *exchange) signature(w *Want, got []byte) string {
	have, there := find(got, attrIntegrity)
	switch {
	case there && w.signer == "":
		return "signed"
	case !there && w.signer != "":
		return "not signed"
	case !there:
		return ""
	}
	s := x.in.dialog.server
	d := &draft{b: bytes.Clone(got[:bytes.Index(got, have)-4]), in: x.in}
	integrity(s.user(w.signer).key(s.Realm))(d)
	if right, _ := find(d.b, attrIntegrity); !hmac.Equal(have, right) {
		return "wrongly signed"
	}
	return ""
}

// answers reports whether a message is a response to a request.
func answers(b, request []byte) bool {
	return len(b) >= headerSize && len(request) >= headerSize && b[0]>>6 == 0 &&
		binary.BigEndian.Uint16(b)&^(classError|classSuccess) == binary.BigEndian.Uint16(request) &&
		binary.BigEndian.Uint16(b)&classSuccess != 0 && bytes.Equal(b[4:headerSize], request[4:headerSize])
}

// codeOf is the error code; 0 is a success response, -1 an error without code.
func codeOf(b []byte) int {
	if binary.BigEndian.Uint16(b)&classError == classSuccess {
		return 0
	}
	v, ok := find(b, attrErrorCode)
	if !ok || len(v) < 4 {
		return -1
	}
	return 100*int(v[2]) + int(v[3])
}

// find is the value of the first attribute of a type.
func find(b []byte, typ uint16) (value []byte, ok bool) {
	for _, a := range attributes(b) {
		if a.typ == typ {
			return a.value, true
		}
	}
	return nil, false
}

type attribute struct {
	typ   uint16
	value []byte
}

// attributes are those that a message has, up to the first that is none.
func attributes(b []byte) (all []attribute) {
	if len(b) < headerSize || b[0]>>6 != 0 {
		return nil
	}
	for rest := b[headerSize:]; len(rest) >= 4; {
		n := int(binary.BigEndian.Uint16(rest[2:]))
		room := 4 + (n+3)&^3
		if room > len(rest) {
			return all
		}
		all = append(all, attribute{binary.BigEndian.Uint16(rest), rest[4 : 4+n : 4+n]})
		rest = rest[room:]
	}
	return all
}

// appendAttr adds an attribute with zero padding.
func appendAttr(b []byte, typ uint16, v []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, typ)
	b = binary.BigEndian.AppendUint16(b, uint16(len(v)))
	b = append(b, v...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// sealed sets the length field.
func sealed(b []byte) []byte {
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)-headerSize))
	return b
}

func transactionOf(b []byte) []byte {
	if len(b) < headerSize {
		return make([]byte, 12)
	}
	return b[8:headerSize]
}

// readXOR reads an XOR address of a message that begins with that header.
func readXOR(v, header []byte) (netip.AddrPort, bool) {
	if len(v) != 8 && len(v) != 20 {
		return netip.AddrPort{}, false
	}
	ip := bytes.Clone(v[4:])
	for i := range ip {
		ip[i] ^= header[4+i]
	}
	addr, ok := netip.AddrFromSlice(ip)
	return netip.AddrPortFrom(addr, binary.BigEndian.Uint16(v[2:])^magicCookie>>16), ok
}

func sortedNames(m map[string]*tuple) []string { return slices.Sorted(maps.Keys(m)) }
