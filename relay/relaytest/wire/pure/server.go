package pure

import (
	"net/netip"
	"time"

	"turnpike/relay/dataplane"
	"turnpike/relay/gate"
	"turnpike/relay/relaytest/wire"
)

// Gate is a gate at a time that stands still.
type Gate struct {
	gate  *gate.Gate // by default
	old   *gate.Gate // with the channels of RFC 5766
	both  *gate.Gate // with addresses of both families
	nonce func(wire.Over, netip.AddrPort, int) string
	now   time.Time
	o     *office // the one that is open
}

// New makes a gate for a whole table.
func New() (*Gate, error) {
	p := &Gate{now: time.Unix(1_800_000_000, 0)}
	var err error
	sessions := func(c dataplane.Client) (gate.Session, bool) { return p.o.session(c) }
	if p.gate, err = newGate(sessions, func(*gate.Options) {}); err != nil {
		return nil, err
	}
	if p.old, err = newGate(sessions, func(o *gate.Options) { o.MaxChannel = dataplane.MaxOldChannel }); err != nil {
		return nil, err
	}
	if p.both, err = newGate(sessions, func(o *gate.Options) { o.Families = []gate.Family{gate.IPv4, gate.IPv6} }); err != nil {
		return nil, err
	}
	p.nonce, err = Nonces(func() time.Time { return p.now })
	return p, err
}

// Server is the gate with a new office behind it, for one case.
func (p *Gate) Server(setting wire.Setting) *wire.Server {
	p.o = newOffice(setting)
	g := p.gate
	switch setting {
	case wire.Old:
		g = p.old
	case wire.IPv6:
		g = p.both
	}
	return &wire.Server{
		Realm: Realm, Relay: relay, RelayIPv6: relayIPv6, Users: Users(p.now), Nonce: p.nonce, Whole: true,
		Drain: func() error { p.o.draining = true; return nil },
		Dial: func(over wire.Over, local netip.AddrPort) (wire.Conn, error) {
			return &conn{p: p, gate: g, over: over, client: dataplane.Client{Addr: local}}, nil
		},
	}
}

// conn is a client's five-tuple with a gate at its end.
type conn struct {
	p       *Gate
	gate    *gate.Gate
	over    wire.Over
	client  dataplane.Client
	answers [][]byte
}

func (c *conn) Write(b []byte) error {
	v := c.gate.Judge(gate.Packet{Client: c.client, Transport: transports[c.over], Data: b}, c.p.now, nil)
	switch v.Action {
	case gate.Reply:
		c.answers = append(c.answers, v.Reply)
	case gate.Forward:
		c.answers = append(c.answers, c.p.o.serve(c.gate, v.Request))
	}
	return nil
}

func (c *conn) Read() ([]byte, error) {
	if len(c.answers) == 0 {
		return nil, wire.ErrNothing
	}
	b := c.answers[0]
	c.answers = c.answers[1:]
	return b, nil
}

func (c *conn) Close() error { return nil }
