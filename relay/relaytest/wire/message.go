package wire

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"encoding/binary"
	"hash/crc32"
	"net/netip"
)

// Message is what a client sends: bytes, put together part by part with nothing
// of the relay's own encoder.
type Message []Part

// Part adds to a message, or spoils it.
type Part func(*draft)

// draft is a message under construction.
type draft struct {
	b  []byte
	in *tuple
}

// bytes builds the message as the client of a five-tuple sends it.
func (m Message) bytes(in *tuple) []byte {
	d := &draft{in: in}
	for _, part := range m {
		part(d)
	}
	return d.b
}

const (
	headerSize  = 20
	magicCookie = 0x2112A442
)

// header begins a message of a transaction of its own.
func header(typ uint16) Part {
	return func(d *draft) {
		d.b = binary.BigEndian.AppendUint16(nil, typ)
		d.b = append(d.b, 0, 0)
		d.b = binary.BigEndian.AppendUint32(d.b, magicCookie)
		d.b = append(d.b, d.in.transaction()...)
	}
}

// transaction makes it that of the number, in place of one of its own.
func transaction(n byte) Part {
	return func(d *draft) {
		copy(d.b[8:headerSize], "transaction")
		d.b[headerSize-1] = n
	}
}

// raw is bytes as they are, with the length field as it was.
func raw(b ...byte) Part {
	return func(d *draft) { d.b = append(d.b, b...) }
}

// edit overwrites bytes.
func edit(at int, b ...byte) Part {
	return func(d *draft) { copy(d.b[at:], b) }
}

// cut takes away all bytes from at on.
func cut(at int) Part {
	return func(d *draft) { d.b = d.b[:at] }
}

// size is the length field for what is there and more bytes.
func size(more int) Part {
	return func(d *draft) { binary.BigEndian.PutUint16(d.b[2:], uint16(len(d.b)-headerSize+more)) }
}

// attr adds an attribute. Its padding is not zero: a sender may fill it with
// anything (RFC 8489 §14).
func attr(typ uint16, value ...byte) Part {
	return func(d *draft) {
		d.b = binary.BigEndian.AppendUint16(d.b, typ)
		d.b = binary.BigEndian.AppendUint16(d.b, uint16(len(value)))
		d.b = append(d.b, value...)
		for len(d.b)%4 != 0 {
			d.b = append(d.b, 0xEE)
		}
		size(0)(d)
	}
}

func attr32(typ uint16, v uint32) Part { return attr(typ, binary.BigEndian.AppendUint32(nil, v)...) }

// address adds an attribute with an XOR address. An IPv4-mapped one keeps the
// family of IPv6.
func address(typ uint16, a netip.AddrPort) Part {
	return func(d *draft) { attr(typ, xorAddress(a, d.b)...)(d) }
}

// xorAddress is the value for a message that begins with that header (RFC 8489
// §14.2).
func xorAddress(a netip.AddrPort, header []byte) []byte {
	family := byte(1)
	if a.Addr().Is6() {
		family = 2
	}
	v := binary.BigEndian.AppendUint16([]byte{0, family}, a.Port()^magicCookie>>16)
	for i, b := range a.Addr().AsSlice() {
		v = append(v, b^header[4+i])
	}
	return v
}

// fingerprint ends the message with FINGERPRINT (RFC 8489 §14.7).
func fingerprint(d *draft) {
	size(8)(d)
	attr32(attrFingerprint, crc32.ChecksumIEEE(d.b)^0x5354554e)(d)
}

// integrity adds MESSAGE-INTEGRITY (RFC 8489 §14.5).
func integrity(key []byte) Part {
	return func(d *draft) {
		size(24)(d)
		mac := hmac.New(sha1.New, key)
		mac.Write(d.b)
		attr(attrIntegrity, mac.Sum(nil)...)(d)
	}
}

// User is a long-term credential.
type User struct{ Name, Password string }

// key is that of RFC 8489 §18.5.1.1.
func (u User) key(realm string) []byte {
	sum := md5.Sum([]byte(u.Name + ":" + realm + ":" + u.Password))
	return sum[:]
}

// by signs with a user's credential, the server's realm and the nonce that the
// five-tuple was given.
func by(who Who) Part {
	return func(d *draft) { bySays(who, d.in.dialog.server.Realm, d.in.challenged())(d) }
}

// bySays is by with a realm and a nonce of the case's choice.
func bySays(who Who, realm, nonce string) Part {
	return func(d *draft) {
		u := d.in.dialog.server.user(who)
		attr(attrUsername, []byte(u.Name)...)(d)
		attr(attrRealm, []byte(realm)...)(d)
		attr(attrNonce, []byte(nonce)...)(d)
		integrity(u.key(realm))(d)
	}
}
