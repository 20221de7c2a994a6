package pure

import (
	"net/netip"

	"turnpike/relay/dataplane"
	"turnpike/relay/gate"
	"turnpike/relay/relaytest/wire"
)

// The addresses of relayed transport addresses.
var (
	relay     = wire.Listener.Addr()
	relayIPv6 = wire.ListenerIPv6.Addr()
)

// Error codes that the relay decides (RFC 8656 §19).
const (
	badRequest           = 400
	forbidden            = 403
	quotaReached         = 486
	insufficientCapacity = 508
)

// office answers what the gate hands on.
type office struct {
	setting  wire.Setting
	draining bool
	desks    map[dataplane.Client]*desk
	reserved map[gate.Token]reservation
	port     uint16 // the next one, which is even
}

// desk is a session.
type desk struct {
	gate.Session
	byNumber map[uint16]netip.AddrPort
	byPeer   map[netip.AddrPort]uint16
}

type reservation struct {
	port uint16
	user string
}

func newOffice(s wire.Setting) *office {
	return &office{setting: s, desks: map[dataplane.Client]*desk{}, reserved: map[gate.Token]reservation{}, port: 50000}
}

func (o *office) session(c dataplane.Client) (gate.Session, bool) {
	if d := o.desks[c]; d != nil {
		return d.Session, true
	}
	return gate.Session{}, false
}

// serve answers a request.
func (o *office) serve(g *gate.Gate, r *gate.Request) []byte {
	var a gate.Answer
	switch r.Method {
	case gate.Allocate:
		return o.allocate(g, r)
	case gate.Refresh:
		if a.Lifetime = r.Lifetime; r.Lifetime == 0 {
			delete(o.desks, r.Client)
		}
	case gate.ChannelBind:
		a.Code = o.desks[r.Client].bind(r.Channel, r.Peers[0])
	}
	return g.Answer(nil, r, a)
}

func (o *office) allocate(g *gate.Gate, r *gate.Request) []byte {
	a := o.grant(r)
	answer := g.Answer(nil, r, a)
	if a.Code == 0 {
		o.desks[r.Client] = &desk{gate.Session{Identity: r.Identity, Tx: r.Tx, Answer: answer, Relayed: a.Relayed},
			map[uint16]netip.AddrPort{}, map[netip.AddrPort]uint16{}}
	}
	return answer
}

// grant finds a port, and reserves the next if that is asked for.
func (o *office) grant(r *gate.Request) gate.Answer {
	switch {
	case o.draining:
		return gate.Answer{Code: forbidden}
	case o.held(r.Identity.User) >= wire.Quota:
		return gate.Answer{Code: quotaReached}
	case o.setting == wire.Full && len(o.desks) > 0:
		return gate.Answer{Code: insufficientCapacity}
	}
	a := gate.Answer{Lifetime: r.Lifetime}
	port := o.port
	switch token := r.Port.Token; {
	case token != nil:
		v, ok := o.reserved[*token]
		if !ok || v.user != r.Identity.User {
			return gate.Answer{Code: insufficientCapacity}
		}
		delete(o.reserved, *token)
		port = v.port
	case r.Port.Reserve:
		a.Token = &gate.Token{'r', 'e', 's', 'e', 'r', 'v', 'e', 'd'}
		o.reserved[*a.Token] = reservation{port + 1, r.Identity.User}
		fallthrough
	default:
		o.port += 2
	}
	a.Relayed = netip.AddrPortFrom(relay, port)
	if r.Family == gate.IPv6 {
		a.Relayed = netip.AddrPortFrom(relayIPv6, port)
	}
	return a
}

// held is how many allocations a user has.
func (o *office) held(user string) (n int) {
	for _, d := range o.desks {
		if d.Identity.User == user {
			n++
		}
	}
	return n
}

// bind keeps one number for one peer (RFC 8656 §12.2).
func (d *desk) bind(number uint16, peer netip.AddrPort) (code int) {
	if p, taken := d.byNumber[number]; taken && p != peer {
		return badRequest
	}
	if n, taken := d.byPeer[peer]; taken && n != number {
		return badRequest
	}
	d.byNumber[number], d.byPeer[peer] = peer, number
	return 0
}
