package relay

import (
	"net/netip"

	"turnpike/pkg/netpolicy"
)

// policy is a policy and the number that tells it from its predecessors.
type policy struct {
	*netpolicy.Policy
	generation uint64
}

// SetPolicy puts a policy in force. Live sessions are judged by it from their
// next datagram on, in both directions. Permissions that it would not give are
// gone when it returns, and do not come back with another policy.
func (s *Server) SetPolicy(p *netpolicy.Policy) {
	s.setPolicy(p, false)
	for _, x := range s.sessions.filter(nil, func(x *session) bool { return !x.view.Load().Pending }) {
		x.withdraw()
	}
}

// setPolicy numbers a policy and stores it. Serve's own gives way to one that
// came while it was made.
func (s *Server) setPolicy(p *netpolicy.Policy, first bool) {
	s.policyMu.Lock()
	defer s.policyMu.Unlock()
	generation := uint64(1)
	if old := s.policy.Load(); old != nil {
		if first {
			return
		}
		generation = old.generation + 1
	}
	s.policy.Store(&policy{p, generation})
}

// PolicyGeneration numbers the policies that were in force; the first is 1.
func (s *Server) PolicyGeneration() uint64 {
	if p := s.policy.Load(); p != nil {
		return p.generation
	}
	return 0
}

// withdraw takes back the permissions that the policy in force would not give.
// Those that are being given just now are for keep to judge.
func (x *session) withdraw() {
	pol := x.policy()
	for _, p := range x.peers.Load().permissions {
		if !pol.Permission(p.addr).Allowed {
			p.until.Store(withdrawn)
		}
	}
}

// policy is that in force for the session's role.
func (x *session) policy() *netpolicy.Policy {
	return x.server.policy.Load().Of(x.identity.Role.Name)
}

// peer judges a peer's address and port by the policy in force.
func (s *Server) peer(role string, p netip.AddrPort) netpolicy.Verdict {
	return s.policy.Load().Of(role).Peer(p, s.o.Plane.Live)
}

// permission judges a peer's address alone.
func (s *Server) permission(role string, p netip.Addr) netpolicy.Verdict {
	return s.policy.Load().Of(role).Permission(p)
}

// SetClients says who may send to the server, by address; nil: everybody. It is
// asked for every message that is no relayed data, before any work is done for
// it, and must not wait. Sessions and connections of those who may not any more
// have ended when it returns.
func (s *Server) SetClients(admits func(netip.Addr) bool) {
	if admits == nil {
		admits = everybody
	}
	s.clients.Store(&admits)
	for _, x := range s.sessions.filter(nil, func(x *session) bool {
		return !x.view.Load().Pending && !s.admits(x.client.Addr.Addr())
	}) {
		s.end(x, EndDenied)
	}
	if s.streams != nil {
		s.streams.Recheck()
	}
}

func everybody(netip.Addr) bool { return true }

func (s *Server) admits(client netip.Addr) bool { return (*s.clients.Load())(client) }
