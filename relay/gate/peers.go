package gate

import (
	"encoding/binary"
	"net/netip"

	"turnpike/pkg/netpolicy"
	"turnpike/relay/dataplane"
)

// MaxPeers is the most peers that one CreatePermission may name.
const MaxPeers = 64

// createPermission judges a CreatePermission (RFC 8656 §10.2): all of its peers
// or none. A refusal leaves the session and its permissions alone: browsers ask
// for every candidate of the other side, those in its home among them.
func (c *call) createPermission(s Session) Verdict {
	peers, ok := c.m.peers()
	if !ok || len(peers) == 0 {
		return c.refuse(codeBadRequest, s.Identity)
	}
	if len(peers) > MaxPeers {
		return c.refuse(codeInsufficientCapacity, s.Identity)
	}
	for i, peer := range peers {
		if !s.reaches(peer.Addr()) {
			return c.refuse(codeFamilyMismatch, s.Identity)
		}
		peers[i] = netip.AddrPortFrom(peer.Addr(), 0) // RFC 8656 §9: has no port
	}
	for _, peer := range peers {
		if v := c.g.o.Permission(s.Identity.Role.Name, peer.Addr()); !v.Allowed {
			return c.forbid(v, s)
		}
	}
	return c.forward(Request{Identity: s.Identity, Peers: peers})
}

// channelBind judges a ChannelBind (RFC 8656 §12.2). Whether number and peer
// are free is known to the session.
func (c *call) channelBind(s Session) Verdict {
	peers, ok := c.m.peers()
	if !ok || len(peers) != 1 || peers[0].Port() == 0 || len(c.m.channelNumber) != 4 {
		return c.refuse(codeBadRequest, s.Identity)
	}
	number := binary.BigEndian.Uint16(c.m.channelNumber)
	if number < dataplane.MinChannel || number > c.g.o.MaxChannel {
		return c.refuse(codeBadRequest, s.Identity)
	}
	if !s.reaches(peers[0].Addr()) {
		return c.refuse(codeFamilyMismatch, s.Identity)
	}
	if v := c.g.o.Peer(s.Identity.Role.Name, peers[0]); !v.Allowed {
		return c.forbid(v, s)
	}
	return c.forward(Request{Identity: s.Identity, Peers: peers, Channel: number})
}

func (c *call) forbid(v netpolicy.Verdict, s Session) Verdict {
	c.g.counts.denied[v.Rule].Add(1)
	return c.refuse(codeForbidden, s.Identity)
}
