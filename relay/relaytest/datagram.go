package relaytest

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"time"

	"github.com/pion/stun/v3"
)

// Datagram is what a peer sent, as the client got it: over a channel, or in a
// Data indication (Channel is 0) that names the peer.
type Datagram struct {
	Channel uint16
	Peer    netip.AddrPort
	Payload []byte
}

// Receive returns the next relayed datagram, waiting for Timeout at most;
// silence is ErrNoAnswer.
func (c *Client) Receive() (Datagram, error) {
	if len(c.data) > 0 {
		d := c.data[0]
		c.data = c.data[1:]
		return d, nil
	}
	deadline := time.Now().Add(c.Timeout)
	for {
		b, err := c.read(deadline)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return Datagram{}, ErrNoAnswer
		}
		if err != nil {
			return Datagram{}, err
		}
		if d, ok := parseDatagram(b); ok {
			return d, nil
		}
	}
}

// parseDatagram takes what starts with the bits 01 for ChannelData (RFC 8656
// section 12.4); the rest may be a Data indication.
func parseDatagram(b []byte) (Datagram, bool) {
	if len(b) >= 4 && b[0]>>6 == 1 {
		n := int(binary.BigEndian.Uint16(b[2:]))
		if n > len(b)-4 {
			return Datagram{}, false
		}
		return Datagram{Channel: binary.BigEndian.Uint16(b), Payload: b[4 : 4+n]}, true
	}
	m := &stun.Message{Raw: b}
	if m.Decode() != nil || m.Type != stun.NewType(stun.MethodData, stun.ClassIndication) {
		return Datagram{}, false
	}
	payload, err := m.Get(stun.AttrData)
	if err != nil {
		return Datagram{}, false
	}
	return Datagram{Peer: xorAddr(m, stun.AttrXORPeerAddress), Payload: payload}, true
}

// channelData frames b as ChannelData over UDP, that is without padding (RFC
// 8656 section 12.5).
func channelData(channel uint16, b []byte) []byte {
	f := binary.BigEndian.AppendUint16(nil, channel)
	f = binary.BigEndian.AppendUint16(f, uint16(len(b)))
	return append(f, b...)
}
