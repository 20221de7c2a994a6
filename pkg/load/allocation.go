package load

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// allocate makes the allocation, of the family of ip.
func (c *client) allocate(ip netip.Addr) error {
	r, err := c.request(methodAllocate, func(b []byte) []byte {
		b = attribute(b, attrTransport, []byte{17, 0, 0, 0}) // UDP
		if ip.Is6() {
			b = attribute(b, attrAddressFamily, []byte{2, 0, 0, 0})
		}
		return b
	})
	if err != nil {
		return err
	}
	if !r.relayed.IsValid() || r.relayed.Port() == 0 {
		return errors.New("the answer to Allocate tells no relayed address")
	}
	c.relayed, c.lifetime = r.relayed, r.lifetime
	return nil
}

// permit opens the way to peer: by a permission, and by a channel if its line
// has one. Done again it keeps both open.
func (c *client) permit(peer netip.AddrPort) error {
	_, err := c.request(methodCreatePermission, func(b []byte) []byte {
		return xorAddress(b, attrXORPeer, netip.AddrPortFrom(peer.Addr(), 0))
	})
	if err != nil || c.line.framing != channel {
		return err
	}
	_, err = c.request(methodChannelBind, func(b []byte) []byte {
		b = attribute(b, attrChannelNumber, []byte{byte(c.line.channel >> 8), byte(c.line.channel), 0, 0})
		return xorAddress(b, attrXORPeer, peer)
	})
	return err
}

// refresh asks that the allocation live for so long; 0 ends it.
func (c *client) refresh(lifetime time.Duration) error {
	r, err := c.request(methodRefresh, func(b []byte) []byte {
		return attribute(b, attrLifetime, binary.BigEndian.AppendUint32(nil, uint32(lifetime/time.Second)))
	})
	if err == nil && lifetime > 0 {
		c.lifetime = r.lifetime
	}
	return err
}

// kind is how a failure is counted: by its STUN code, or by a word.
func kind(err error) string {
	var r *refusal
	switch {
	case errors.As(err, &r):
		return fmt.Sprint(r.code)
	case errors.Is(err, errSilence):
		return "timeout"
	case errors.Is(err, errBroken):
		return "closed"
	case errors.Is(err, errConnect):
		return "connect"
	}
	return "protocol"
}

var errConnect = errors.New("connecting")
