package relaytest

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/pion/stun/v3"
)

// Attr is one STUN attribute, byte for byte as it will be sent: nothing checks
// that its value makes sense.
type Attr struct {
	Type  stun.AttrType
	Value []byte
}

// AddTo implements [stun.Setter].
func (a Attr) AddTo(m *stun.Message) error {
	m.Add(a.Type, a.Value)
	return nil
}

// text makes USERNAME, REALM and NONCE.
func text(t stun.AttrType, s string) Attr { return Attr{t, []byte(s)} }

// RequestedTransport is REQUESTED-TRANSPORT (RFC 8656 section 18.8); protocol
// 17 is UDP.
func RequestedTransport(protocol byte) Attr {
	return Attr{stun.AttrRequestedTransport, []byte{protocol, 0, 0, 0}}
}

// Family is REQUESTED-ADDRESS-FAMILY (RFC 8656 section 18.6): 1 is IPv4, 2 IPv6.
func Family(f byte) Attr {
	return Attr{stun.AttrRequestedAddressFamily, []byte{f, 0, 0, 0}}
}

// Of RFC 8656 sections 18.11 and 18.12.
const (
	attrAdditionalFamily stun.AttrType = 0x8000
	attrAddressErrorCode stun.AttrType = 0x8001
)

// AdditionalFamily is ADDITIONAL-ADDRESS-FAMILY; 2, IPv6, is the only one allowed.
func AdditionalFamily(f byte) Attr {
	return Attr{attrAdditionalFamily, []byte{f, 0, 0, 0}}
}

// Lifetime is LIFETIME (RFC 8656 section 18.3), in whole seconds.
func Lifetime(d time.Duration) Attr {
	return Attr{stun.AttrLifetime, binary.BigEndian.AppendUint32(nil, uint32(d/time.Second))}
}

// ChannelNumber is CHANNEL-NUMBER (RFC 8656 section 18.2), valid or not.
func ChannelNumber(n uint16) Attr {
	return Attr{stun.AttrChannelNumber, []byte{byte(n >> 8), byte(n), 0, 0}}
}

// Data is DATA (RFC 8656 section 18.5).
func Data(b []byte) Attr { return Attr{stun.AttrData, b} }

// XORPeer is XOR-PEER-ADDRESS (RFC 8656 section 18.4). An IPv4-mapped address
// goes out in the IPv6 family, as it stands: pion/stun would unmap it.
//
// The IPv6 form is XORed with the transaction ID (RFC 8489 section 14.2), so
// the attribute is encoded when it is added to a message.
func XORPeer(peer netip.AddrPort) stun.Setter { return xorPeer(peer) }

type xorPeer netip.AddrPort

func (p xorPeer) AddTo(m *stun.Message) error {
	peer := netip.AddrPort(p)
	const cookie = 0x2112A442
	pad := binary.BigEndian.AppendUint32(nil, cookie)
	pad = append(pad, m.TransactionID[:]...)

	family := byte(1)
	if peer.Addr().Is6() {
		family = 2
	}
	v := binary.BigEndian.AppendUint16([]byte{0, family}, peer.Port()^(cookie>>16))
	for i, b := range peer.Addr().AsSlice() {
		v = append(v, b^pad[i])
	}
	m.Add(stun.AttrXORPeerAddress, v)
	return nil
}

// build encodes a message of its own transaction.
func build(method stun.Method, class stun.MessageClass, attrs ...stun.Setter) ([]byte, error) {
	m, err := stun.Build(append([]stun.Setter{
		stun.TransactionID, stun.NewType(method, class),
	}, attrs...)...)
	if err != nil {
		return nil, err
	}
	return m.Raw, nil
}
