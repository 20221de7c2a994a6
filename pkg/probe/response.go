package probe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/pion/stun/v3"
)

const headerSize = 20

var errNotSTUN = errors.New("what came is not a STUN message")

// decode takes a response to the request of that transaction, or says why b is
// none. Who can't know the id gets no further than here.
func decode(b []byte, id [stun.TransactionIDSize]byte) (*stun.Message, error) {
	if len(b) < headerSize || b[0]>>6 != 0 || int(binary.BigEndian.Uint16(b[2:])) != len(b)-headerSize {
		return nil, errNotSTUN
	}
	m := &stun.Message{Raw: b}
	if err := m.Decode(); err != nil {
		return nil, errNotSTUN
	}
	if m.TransactionID != id {
		return nil, errors.New("what came answers another request")
	}
	if m.Type != stun.BindingSuccess && m.Type != stun.BindingError {
		return nil, fmt.Errorf("what came is a %s, not an answer", m.Type)
	}
	return m, checkFingerprint(m)
}

// checkFingerprint accepts one that fits, or none. Check takes it to be the last
// attribute, as RFC 8489 §14.7 has it; elsewhere it does not fit.
func checkFingerprint(m *stun.Message) error {
	if m.Contains(stun.AttrFingerprint) && stun.Fingerprint.Check(m) != nil {
		return errors.New("its FINGERPRINT is wrong")
	}
	return nil
}

// result is the address that a response tells.
func result(m *stun.Message) (netip.AddrPort, error) {
	if m.Type == stun.BindingError {
		var code stun.ErrorCodeAttribute
		if code.GetFrom(m) != nil {
			return netip.AddrPort{}, errors.New("the server refuses, without ERROR-CODE")
		}
		return netip.AddrPort{}, fmt.Errorf("the server refuses: %d %.100q", code.Code, code.Reason)
	}
	for _, a := range m.Attributes {
		if a.Type.Required() && !known(a.Type) { // RFC 8489 §6.3.3
			return netip.AddrPort{}, fmt.Errorf("its answer requires attribute %#04x, which is unknown", uint16(a.Type))
		}
	}
	value, err := m.Get(stun.AttrXORMappedAddress)
	if err != nil {
		return netip.AddrPort{}, errors.New("its answer has no XOR-MAPPED-ADDRESS")
	}
	var x stun.XORMappedAddress
	if x.GetFrom(m) != nil || len(value) != 4+len(x.IP) { // GetFrom fills up a short one
		return netip.AddrPort{}, errors.New("its XOR-MAPPED-ADDRESS is malformed")
	}
	addr, _ := netip.AddrFromSlice(x.IP)
	seen := netip.AddrPortFrom(addr.Unmap(), uint16(x.Port))
	if seen.Addr().IsUnspecified() || seen.Port() == 0 {
		return netip.AddrPort{}, fmt.Errorf("it tells %s, which is nobody's address", seen)
	}
	return seen, nil
}

// known tells the attributes a success response may require us to understand.
// The last two are SOURCE-ADDRESS and CHANGED-ADDRESS of RFC 3489, which many
// public servers still send.
func known(a stun.AttrType) bool {
	switch a {
	case stun.AttrMappedAddress, stun.AttrXORMappedAddress, stun.AttrMessageIntegrity, stun.AttrMessageIntegritySHA256, 0x0004, 0x0005:
		return true
	}
	return false
}
