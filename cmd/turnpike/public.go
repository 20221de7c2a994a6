package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"turnpike/pkg/probe"
	"turnpike/relay"
)

// askPatience is how long all STUN servers together have to tell a public
// address.
const askPatience = 15 * time.Second

// resolve gives each relay address its public one, asking for those that the
// configuration leaves open, and shows where it came from. A wrong public
// address is the commonest reason why a TURN server relays nothing: peers send
// where nobody is.
func resolve(ctx context.Context, s *settings, log *logs) ([]relay.Pool, error) {
	limited, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	var pools []relay.Pool
	for _, r := range s.Relays {
		if err := bindable(r.Bind); err != nil {
			return nil, r.fault(fmt.Sprintf("no socket can be bound to %s: %v", r.Bind, err), "name an address of this host")
		}
		if r.Source == "" {
			addr, server, err := probe.PublicAddr(limited, r.Bind, s.STUN)
			if err != nil {
				return nil, r.fault(fmt.Sprintf("the public address of %s could not be asked for: %s", r.Bind, strings.ReplaceAll(err.Error(), "\n", ", ")),
					"name it with public_ip, or as `public` beside the address")
			}
			r.Public, r.Source = addr, "STUN server "+server
		}
		log.Info("relay address", "bind", r.Bind, "public", r.Public, "source", r.Source)
		pools = append(pools, r.Pool)
	}
	return pools, nil
}

// bindable tries an address: otherwise the first to hear that it is not this
// host's would be a client.
func bindable(addr netip.Addr) error {
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
	if err != nil {
		return err
	}
	return c.Close()
}
