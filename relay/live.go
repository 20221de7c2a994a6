package relay

import (
	"errors"

	"turnpike/auth"
	"turnpike/ratelimit"
)

// Limits are those that are nobody's role. They may change while the server
// serves; an allocation keeps the pace of new peers that it began with.
type Limits struct {
	// TenantAllocations is the most a tenant may hold; 0 is no limit.
	TenantAllocations int
	// NetworkAllocations is the most that clients of one IPv4 /24 or IPv6 /56 may
	// hold; 0 is no limit.
	NetworkAllocations int
	// Permissions and Channels are the most an allocation may hold; 64 each
	// if 0.
	Permissions, Channels int
	// NewPeers is how many peers an allocation may begin to send to: each address
	// that it is given a permission for, and each port of one that it sends to by
	// indication (channels are few). 20 a second and 64 at once if both are 0.
	NewPeers ratelimit.Rate
}

// complete fills in the defaults and tells what is wrong.
func (l *Limits) complete() error {
	if l.TenantAllocations < 0 || l.NetworkAllocations < 0 || l.Permissions < 0 || l.Channels < 0 {
		return errors.New("relay: a negative number among TenantAllocations, NetworkAllocations, Permissions, Channels")
	}
	if l.Permissions == 0 {
		l.Permissions = 64
	}
	if l.Channels == 0 {
		l.Channels = 64
	}
	if l.NewPeers == (ratelimit.Rate{}) {
		l.NewPeers = ratelimit.Rate{PerSecond: 20, Burst: 64}
	}
	if l.NewPeers.PerSecond <= 0 || l.NewPeers.Burst <= 0 {
		return errors.New("relay: NewPeers has a rate or a burst that is not above 0")
	}
	return nil
}

// SetLimits replaces the limits. What an allocation holds above a lower one it
// keeps.
func (s *Server) SetLimits(l Limits) error {
	if err := l.complete(); err != nil {
		return err
	}
	s.limits.Store(&l)
	return nil
}

// SetAccess replaces the verifier and the key that signs nonces; nil leaves the
// one there is. Sessions go on under the keys they began with, and obey the roles
// of the verifier when it returns; those of static users that it has no more have
// ended.
func (s *Server) SetAccess(v *auth.Verifier, nonceKey []byte) error {
	if v != nil {
		v = v.Without(s.o.Revocations)
	}
	if err := s.gate.SetAccess(v, nonceKey); err != nil || v == nil {
		return err
	}
	s.verifier.Store(v)
	for _, x := range s.sessions.filter(nil, func(x *session) bool { return !x.view.Load().Pending }) {
		if !v.Holds(x.identity) {
			s.end(x, EndRevoked)
			continue
		}
		x.obey()
	}
	return nil
}

// obey puts the present form of the session's role in force: its rates, its bytes
// a day, its idle limit, and its longest life, reckoned from the session's start.
// Allocations and transports are for those that begin. Under a role that is gone
// the session goes on as before.
func (x *session) obey() {
	s := x.server
	s.roleMu.Lock()
	defer s.roleMu.Unlock()
	role, found := s.verifier.Load().Role(x.identity.Role.Name)
	if !found || role == x.role.Load() {
		return
	}
	x.setRole(role)
	x.cap(&x.halves[0])
	x.cap(&x.halves[1])
	x.reservation.SetLimits(s.allowance(role), s.now())
}

// Revoke puts a revocation in force and ends the sessions of those whom it names.
// They relay nothing when it returns, and no others come: one whose Allocate is
// being served ends as it begins. It completes the revocation, and tells how many
// sessions have ended.
func (s *Server) Revoke(r auth.Revocation) (auth.Revocation, int, error) {
	r, err := s.o.Revocations.Add(r, s.now())
	if err != nil {
		return r, 0, err
	}
	named := s.sessions.filter(nil, func(x *session) bool { return !x.view.Load().Pending && r.Names(x.identity) })
	for _, x := range named {
		s.end(x, EndRevoked)
	}
	return r, len(named), nil
}
