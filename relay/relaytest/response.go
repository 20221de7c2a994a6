package relaytest

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/pion/stun/v3"
)

// Response is a server's answer to a request.
type Response struct {
	Raw    []byte // the datagram
	Method stun.Method
	// Code is the error code (300 to 799), 0 for a success response, and -1
	// for an error response without an ERROR-CODE or with an impossible one.
	Code  int
	Realm string
	Nonce string
	// Algorithms is PASSWORD-ALGORITHMS; nil if absent.
	Algorithms []byte
	// Alternates are what ALTERNATE-SERVER names, in order, Domain is
	// ALTERNATE-DOMAIN.
	Alternates []netip.AddrPort
	Domain     string
	Mapped     netip.AddrPort // XOR-MAPPED-ADDRESS, if any
	Relayed    netip.AddrPort // XOR-RELAYED-ADDRESS, if any
	Lifetime   time.Duration  // LIFETIME; 0 also if absent
	// Additional is the second XOR-RELAYED-ADDRESS, if any. Missing and MissingCode
	// are ADDRESS-ERROR-CODE (RFC 8656 section 18.12), 0 if absent or broken.
	Additional  netip.AddrPort
	Missing     byte
	MissingCode int
	// Signed says that MESSAGE-INTEGRITY, or MESSAGE-INTEGRITY-SHA256 where that
	// was negotiated, is there and verifies under the key of the client that read
	// the response.
	Signed bool
}

// OK reports a success response.
func (r Response) OK() bool { return r.Code == 0 }

// String is what became of the request: "success" or "error 437".
func (r Response) String() string {
	switch {
	case r.Code == 0:
		return "success"
	case r.Code < 0:
		return "error without a valid code"
	}
	return fmt.Sprintf("error %d", r.Code)
}

// parseResponse reads m, which must be a success or error response.
func parseResponse(m *stun.Message, signed func(*stun.Message) bool) (Response, error) {
	r := Response{
		Raw:     m.Raw,
		Method:  m.Type.Method,
		Mapped:  xorAddr(m, stun.AttrXORMappedAddress),
		Relayed: xorAddr(m, stun.AttrXORRelayedAddress),
		Signed:  signed(m),
	}
	switch m.Type.Class {
	case stun.ClassSuccessResponse:
	case stun.ClassErrorResponse:
		r.Code = -1
		var code stun.ErrorCodeAttribute
		if code.GetFrom(m) == nil && code.Code >= 300 { // RFC 8489 section 14.8
			r.Code = int(code.Code)
		}
	default:
		return Response{}, fmt.Errorf("relaytest: %s is no response", m.Type)
	}
	r.Additional = xorAddr(beyond(m, stun.AttrXORRelayedAddress), stun.AttrXORRelayedAddress)
	if v, err := m.Get(attrAddressErrorCode); err == nil && len(v) == 4 {
		r.Missing, r.MissingCode = v[0], int(v[2])*100+int(v[3])
	}
	if v, err := m.Get(stun.AttrRealm); err == nil {
		r.Realm = string(v)
	}
	if v, err := m.Get(stun.AttrNonce); err == nil {
		r.Nonce = string(v)
	}
	if v, err := m.Get(stun.AttrPasswordAlgorithms); err == nil {
		r.Algorithms = v
	}
	if v, err := m.Get(stun.AttrAlternateDomain); err == nil {
		r.Domain = string(v)
	}
	r.Alternates = alternates(m)
	if v, err := m.Get(stun.AttrLifetime); err == nil && len(v) == 4 {
		r.Lifetime = time.Duration(binary.BigEndian.Uint32(v)) * time.Second
	}
	return r, nil
}

// alternates reads every ALTERNATE-SERVER, which is encoded as MAPPED-ADDRESS is
// (RFC 8489 section 14.15); a broken one is the zero value.
func alternates(m *stun.Message) (all []netip.AddrPort) {
	for _, a := range m.Attributes {
		if a.Type != stun.AttrAlternateServer {
			continue
		}
		var at netip.AddrPort
		if v := a.Value; len(v) == 8 && v[1] == 1 || len(v) == 20 && v[1] == 2 {
			addr, _ := netip.AddrFromSlice(v[4:])
			at = netip.AddrPortFrom(addr, binary.BigEndian.Uint16(v[2:]))
		}
		all = append(all, at)
	}
	return all
}

// beyond is what a message has behind the first attribute of a type.
func beyond(m *stun.Message, t stun.AttrType) *stun.Message {
	rest := &stun.Message{TransactionID: m.TransactionID}
	for i, a := range m.Attributes {
		if a.Type == t {
			rest.Attributes = m.Attributes[i+1:]
			break
		}
	}
	return rest
}

// xorAddr reads an address attribute; the zero value says that it is absent or
// broken.
func xorAddr(m *stun.Message, t stun.AttrType) netip.AddrPort {
	var x stun.XORMappedAddress
	if x.GetFromAs(m, t) != nil {
		return netip.AddrPort{}
	}
	a := net.UDPAddr{IP: x.IP, Port: x.Port}
	return netip.AddrPortFrom(a.AddrPort().Addr().Unmap(), a.AddrPort().Port())
}
