package gate

import (
	"net/netip"
	"time"

	"github.com/pion/stun/v3"
)

// Answer builds the answer to a request that was forwarded, in out[:0]: signed
// under the client's key as RFC 8489 §9.2.4 says, with FINGERPRINT if the request
// had it. A code that no error response can have is answered as 500.
func (g *Gate) Answer(out []byte, r *Request, a Answer) []byte {
	code := a.Code
	if code != 0 && (code < 300 || code > 699) { // RFC 8489 §14.8
		code = codeServerError
	}
	w := begin(out, r.Method, code, &r.Tx)
	if code == 0 {
		w.success(r.Method, r.Client.Addr, a)
	}
	if code == codeTryAlternate {
		w.alternate(a.Alternate, r.Transport)
	}
	g.counts.replied(r.Method, code)
	return w.finish(r.Identity, r.signing, r.Fingerprint)
}

// success adds what a success response of the method has (RFC 8656 §7.2, §7.3,
// §10.2, §12.2).
func (r *reply) success(m Method, client netip.AddrPort, a Answer) {
	if m == Allocate {
		r.address(stun.AttrXORRelayedAddress, a.Relayed)
		r.dual(a)
	}
	if m == Allocate || m == Refresh {
		r.uint32(stun.AttrLifetime, uint32(max(a.Lifetime, 0)/time.Second))
	}
	if m == Allocate && a.Token != nil {
		copy(r.add(stun.AttrReservationToken, len(a.Token)), a.Token[:])
	}
	if m == Allocate {
		r.address(stun.AttrXORMappedAddress, client)
	}
}

// alternate adds what a 300 has (RFC 8489 §10): the address of the client's own
// family first.
func (r *reply) alternate(a Alternate, over Transport) {
	for _, server := range []netip.AddrPort{a.Server, a.Other} {
		if server.IsValid() {
			putAddress(r.add(stun.AttrAlternateServer, addressSize(server)), server)
		}
	}
	if over == TLS && a.Domain != "" {
		copy(r.add(stun.AttrAlternateDomain, len(a.Domain)), a.Domain)
	}
}

// dual adds what became of a second address (RFC 8656 §7.2). ADDRESS-ERROR-CODE has
// no reason phrase, as no error of ours (§18.12).
func (r *reply) dual(a Answer) {
	if a.Additional.IsValid() {
		r.address(stun.AttrXORRelayedAddress, a.Additional)
	}
	if a.Missing != 0 {
		copy(r.add(attrAddressErrorCode, 4), []byte{byte(a.Missing), 0, byte(a.MissingCode / 100), byte(a.MissingCode % 100)})
	}
}
