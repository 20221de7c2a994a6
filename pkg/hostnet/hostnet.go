package hostnet

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"
)

// Host is what a host has, sorted, each once.
type Host struct {
	// Interfaces are the addresses of its interfaces, which can be bound.
	Interfaces []netip.Addr
	// Addrs are all of its own addresses: on Linux also those that a route
	// alone makes its own (a virtual address of a load balancer).
	Addrs []netip.Addr
	// Broadcasts are the directed broadcast addresses of its IPv4 networks.
	Broadcasts []netip.Addr
	// Routes are the networks of its interfaces and, on Linux, its routes but
	// the default one, of every routing table.
	Routes []netip.Prefix
}

// Equal reports whether both have the same.
func (h Host) Equal(other Host) bool {
	return slices.Equal(h.Interfaces, other.Interfaces) && slices.Equal(h.Addrs, other.Addrs) &&
		slices.Equal(h.Broadcasts, other.Broadcasts) && slices.Equal(h.Routes, other.Routes)
}

// Read asks the system what this host has.
func Read() (Host, error) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return Host{}, fmt.Errorf("hostnet: addresses of this host: %w", err)
	}
	var h Host
	for _, a := range addrs {
		if pre, err := netip.ParsePrefix(a.String()); err == nil { // else not an IP interface address
			h.addInterface(pre)
		}
	}
	if err := h.addRoutes(); err != nil {
		return Host{}, fmt.Errorf("hostnet: routes of this host: %w", err)
	}
	return h.tidy(), nil
}

// addInterface adds an address of an interface, and its network.
func (h *Host) addInterface(pre netip.Prefix) {
	addr := pre.Addr()
	h.Interfaces, h.Addrs = append(h.Interfaces, addr), append(h.Addrs, addr)
	if b, ok := broadcast(pre); ok {
		h.Broadcasts = append(h.Broadcasts, b)
	}
	h.addNetwork(pre.Masked())
}

func (h *Host) addNetwork(pre netip.Prefix) {
	if !isDefault(pre) {
		h.Routes = append(h.Routes, pre)
	}
}

// isDefault reports whether a route is one to the internet: the default route,
// or a part of it. A VPN that takes all traffic brings two halves, and IPv6
// routers may announce 2000::/3, which is all there is (RFC 4291 §2.4).
func isDefault(pre netip.Prefix) bool {
	if pre.Addr().Is4() {
		return pre.Bits() <= 1
	}
	return pre.Bits() <= 3
}

// broadcast is the directed broadcast address of an interface's IPv4 network;
// /31 and /32 have none (RFC 3021).
func broadcast(pre netip.Prefix) (netip.Addr, bool) {
	if !pre.Addr().Is4() || pre.Bits() >= 31 {
		return netip.Addr{}, false
	}
	last := pre.Addr().As4()
	for bit := pre.Bits(); bit < 32; bit++ {
		last[bit/8] |= 1 << (7 - bit%8)
	}
	return netip.AddrFrom4(last), true
}

// tidy sorts. An address of the host is no broadcast address, though the one of
// an interface with a /32 may look like that of another's network.
func (h Host) tidy() Host {
	for _, addrs := range []*[]netip.Addr{&h.Interfaces, &h.Addrs, &h.Broadcasts} {
		slices.SortFunc(*addrs, netip.Addr.Compare)
		*addrs = slices.Compact(*addrs)
	}
	slices.SortFunc(h.Routes, netip.Prefix.Compare)
	h.Routes = slices.Compact(h.Routes)
	h.Broadcasts = slices.DeleteFunc(h.Broadcasts, func(b netip.Addr) bool {
		_, own := slices.BinarySearchFunc(h.Addrs, b, netip.Addr.Compare)
		return own
	})
	return h
}

// every is how often the host is looked at where the system does not tell of
// changes.
const every = 5 * time.Second

// poll looks at the host with each tick.
func poll(ctx context.Context, ticks <-chan time.Time, have Host, changed func(Host)) error {
	for {
		if err := look(&have, changed); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticks:
		}
	}
}

// look calls changed if the host has something else than it had.
func look(have *Host, changed func(Host)) error {
	now, err := Read()
	if err != nil {
		return err
	}
	if !now.Equal(*have) {
		*have = now
		changed(now)
	}
	return nil
}
