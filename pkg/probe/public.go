package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"turnpike/pkg/netpolicy"
)

// perServer is how long one server may keep the next from being asked: three
// requests, and a second and a half for the last answer.
const perServer = 3 * time.Second

// PublicAddr asks STUN servers, each host:port, in the order given and over
// UDP, for the address that local is seen from, and returns what the first one
// tells that is public, and which server that was. Of a name's addresses it
// asks the first of local's family. The error joins what was wrong with each.
func PublicAddr(ctx context.Context, local netip.Addr, servers []string) (addr netip.Addr, source string, err error) {
	everyone, err := netpolicy.New(netpolicy.Options{})
	if err != nil {
		return netip.Addr{}, "", err
	}
	if len(servers) == 0 {
		return netip.Addr{}, "", errors.New("probe: no STUN server is named: name one, or give the public address itself")
	}
	var faults []error
	for _, server := range servers {
		addr, err := askPublic(ctx, local.Unmap(), server)
		if err == nil {
			if v := everyone.Permission(addr); v.Allowed {
				return addr, server, nil
			}
			err = fmt.Errorf("probe: it tells %s, which is not public: %s", addr, everyone.Permission(addr).Rule)
		}
		faults = append(faults, fmt.Errorf("%s: %w", server, err))
	}
	return netip.Addr{}, "", errors.Join(faults...)
}

func askPublic(ctx context.Context, local netip.Addr, server string) (netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, perServer)
	defer cancel()
	at, err := resolve(ctx, local, server)
	if err != nil {
		return netip.Addr{}, err
	}
	seen, err := Binding(ctx, "udp", at, Options{Local: local})
	if err != nil {
		return netip.Addr{}, err
	}
	if seen.Addr().Is4() != at.Addr().Is4() {
		return netip.Addr{}, fmt.Errorf("probe: it tells %s, of another family than was asked for", seen.Addr())
	}
	return seen.Addr(), nil
}

// resolve finds an address of local's family; no local has them all.
func resolve(ctx context.Context, local netip.Addr, server string) (netip.AddrPort, error) {
	host, service, err := net.SplitHostPort(server)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("probe: want host:port: %w", err)
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("probe: port %q: want a number, 1 to 65535", service)
	}
	family := "ip"
	switch {
	case local.Is4():
		family = "ip4"
	case local.Is6():
		family = "ip6"
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, family, host)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("probe: %w", err)
	}
	return netip.AddrPortFrom(addrs[0].Unmap(), uint16(port)), nil
}
