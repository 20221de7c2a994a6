package relay

import (
	"net/netip"
	"time"

	"turnpike/auth"
	"turnpike/ratelimit"
	"turnpike/relay/gate"
)

// Places gives allocations their place: [ratelimit.Shared.Reserve], or that of a
// ledger alone. If asked is true the answer comes through done, once, from another
// goroutine and within the patience that clients have: there are no more such
// questions at a time than Places allows.
type Places interface {
	Reserve(who ratelimit.Subject, lim ratelimit.Limits, now time.Time, done func(*ratelimit.Reservation, ratelimit.Refusal)) (r *ratelimit.Reservation, refusal ratelimit.Refusal, asked bool)
}

// alone is a ledger that shares with nobody.
type alone struct{ *ratelimit.Ledger }

func (a alone) Reserve(who ratelimit.Subject, lim ratelimit.Limits, now time.Time, _ func(*ratelimit.Reservation, ratelimit.Refusal)) (*ratelimit.Reservation, ratelimit.Refusal, bool) {
	r, refusal := a.Ledger.Reserve(who, lim, now)
	return r, refusal, false
}

// submitAllocate has an Allocate served, once its place is taken. It asks on the
// engine's goroutine, since the gate's must not wait for the lock of all accounts.
// While others are asked the request is parked: the session stands in the table
// without an allocation, so that a retransmission finds it and begins nothing.
func (x *session) submitAllocate(r *gate.Request, served chan struct{}) bool {
	s := x.server
	return x.serve(func() []part {
		x.inFlight.Add(-1)
		place, refusal, asked := s.o.Places.Reserve(x.subject(), s.allowance(x.identity.Role), s.now(),
			func(place *ratelimit.Reservation, refusal ratelimit.Refusal) { x.resume(r, place, refusal, served) })
		if asked {
			s.counts.parked.Add(1)
			return nil
		}
		return x.placed(r, place, refusal, served)
	}, x.allocated(r, served))
}

// resume goes on with an Allocate that was parked. Whatever has ended meanwhile, a
// place that was taken is given back.
func (x *session) resume(r *gate.Request, place *ratelimit.Reservation, refusal ratelimit.Refusal, served chan struct{}) {
	s := x.server
	if x.serve(func() []part { return x.placed(r, place, refusal, served) }, x.allocated(r, served)) {
		return
	}
	if place != nil {
		place.Release(s.now())
	}
	s.drop(x)
	if s.serving.Load() {
		s.counts.queueFull.Add(1)
		s.overloaded(r)
	}
	close(served)
}

func (x *session) placed(r *gate.Request, place *ratelimit.Reservation, refusal ratelimit.Refusal, served chan struct{}) []part {
	if refusal == ratelimit.None {
		x.reservation = place
		return x.startAllocate(r)
	}
	defer close(served)
	s, code := x.server, codeQuotaReached
	s.drop(x)
	s.counts.quota[refusal].Add(1)
	if refusal == ratelimit.StoreAway {
		code = codeInsufficientCapacity // the client is not to blame, another server may serve it
		s.counts.allocation.store.Add(1)
	} else {
		s.counts.allocated(code)
	}
	return x.refuse(r, code)
}

func (x *session) allocated(r *gate.Request, served chan struct{}) func([]part) {
	return func(parts []part) {
		x.finishAllocate(r, parts)
		close(served)
	}
}

// subject is who the allocation is for.
func (x *session) subject() ratelimit.Subject {
	return ratelimit.Subject{Tenant: x.identity.Tenant, User: x.identity.User, Network: networkOf(x.client.Addr.Addr())}
}

// networkOf is the least that somebody is given: an IPv4 /24 or an IPv6 /56.
func networkOf(addr netip.Addr) netip.Prefix {
	bits := 56
	if addr = addr.Unmap().WithZone(""); addr.Is4() {
		bits = 24
	}
	p, _ := addr.Prefix(bits) // none without an address
	return p
}

// allowance is what a role allows one of its users.
func (s *Server) allowance(role *auth.Role) ratelimit.Limits {
	l := s.limits.Load()
	return ratelimit.Limits{
		UserAllocations: role.Allocations, TenantAllocations: l.TenantAllocations, NetworkAllocations: l.NetworkAllocations,
		SessionBits: role.SessionBits, UserBits: role.UserBits,
		UserBytesPerDay: role.BytesPerDay, UserBytesPerMonth: role.BytesPerMonth,
		UserAllocationRate: ratelimit.PerMinute{Events: role.AllocationsPerMinute, Burst: role.AllocationsBurst},
	}
}
