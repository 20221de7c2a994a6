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
	if l.TenantAllocations < 0 || l.Permissions < 0 || l.Channels < 0 {
		return errors.New("relay: a negative number among TenantAllocations, Permissions, Channels")
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
// one there is. Sessions go on under the keys they began with.
func (s *Server) SetAccess(v *auth.Verifier, nonceKey []byte) error {
	return s.gate.SetAccess(v, nonceKey)
}
