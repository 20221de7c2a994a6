package netpolicy

import (
	"errors"
	"net/netip"
	"slices"
)

// ClientOptions are an operator's lists of clients.
type ClientOptions struct {
	Mode Mode // AllowList admits nobody but those of Allow
	// Deny wins where both fit. Allow is for the mode AllowList; that it is
	// empty is no error, and admits nobody, so that the last entry of a list
	// can expire. A line here has no ports.
	Deny, Allow []Line
	// Routes and HostAddrs are as in Options, for PresetLocalRoutes and
	// PresetSelf.
	Routes    []netip.Prefix
	HostAddrs []netip.Addr
	// Always come whatever the lines say: where the server asks itself from
	// whether it is well.
	Always []netip.Addr
}

// Clients says who may come. It is immutable and safe for use by many
// goroutines.
type Clients struct {
	mode        Mode
	deny, allow *list
	always      []netip.Addr
}

// NewClients makes lists of clients. The error joins every fault, each with its
// line and the cure.
func NewClients(o ClientOptions) (*Clients, error) {
	var faults faults
	if o.Mode > AllowList {
		faults.add("Mode %d: must be Public or AllowList", o.Mode)
	}
	host := host{routes: addRoutes(o.Routes, &faults), self: o.HostAddrs}
	allowing := portless
	if o.Mode == Public {
		allowing = idle
	}
	c := &Clients{
		mode:  o.Mode,
		deny:  newList("Deny", o.Deny, host, portless, &faults),
		allow: newList("Allow", o.Allow, host, allowing, &faults),
	}
	for _, addr := range o.Always {
		c.always = append(c.always, plain(addr))
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return c, nil
}

// portless refuses ports, which a client picks as it likes.
func portless(l Line, _ []netip.Prefix) string {
	if len(l.Ports) > 0 {
		return "a client's port says nothing; remove the ports"
	}
	return ""
}

// idle refuses what looks like a wall and is none.
func idle(Line, []netip.Prefix) string {
	return "an allow line keeps nobody out while the mode is public; set the mode to allow list, or remove the line"
}

// Admits reports whether a client at addr may come. A mapped address is an IPv4
// one. A deny line holds for the IPv4 address in any other form too: behind a
// stateless translator that is how IPv4 clients look (RFC 7915, RFC 6052).
func (c *Clients) Admits(addr netip.Addr) bool { return c.judge(addr).rule.allows() }

func (c *Clients) judge(addr netip.Addr) finding {
	addr = plain(addr)
	if !addr.IsValid() {
		return finding{rule: Invalid}
	}
	f := c.byLines(addr)
	if !f.rule.allows() && slices.Contains(c.always, addr) {
		return finding{rule: OwnHealth}
	}
	return f
}

func (c *Clients) byLines(addr netip.Addr) finding {
	if f := c.denial(addr); f.rule == OperatorDeny {
		return f
	}
	if c.mode == Public {
		return finding{rule: DefaultAllow}
	}
	if m := c.allow.allows(addr, 0); m.line != nil {
		return finding{rule: OperatorAllow, line: m}
	}
	return finding{rule: DefaultDeny}
}

func (c *Clients) denial(addr netip.Addr) finding {
	if m := c.deny.denies(addr, 0); m.line != nil {
		return finding{rule: OperatorDeny, line: m}
	}
	if addr.Is4() {
		return finding{}
	}
	in := carried(addr)
	for _, r := range in.list[:in.n] {
		if m := c.deny.denies(r.addr, 0); m.line != nil {
			return finding{rule: OperatorDeny, line: m, inside: r}
		}
	}
	return finding{}
}

// Explain says in one line for people what Admits would answer and why.
func (c *Clients) Explain(addr netip.Addr) string { return c.judge(addr).explain(addr) }
