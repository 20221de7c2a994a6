package relay

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"sync"

	"turnpike/relay/dataplane"
)

// Pool is a range of relayed transport addresses.
type Pool struct {
	// Bind is the address of this host that relay sockets are bound to.
	Bind netip.Addr
	// Public is the address that clients and peers are told: Bind itself, or
	// what a 1:1 NAT in front of it owns. Bind if unset.
	Public netip.Addr
	// MinPort and MaxPort bound the ports; 49152 and 65535 if both are 0
	// (RFC 8656 §21.2.3).
	MinPort, MaxPort uint16
}

// errNoPort says that no relayed transport address is to be had: 508.
var errNoPort = errors.New("relay: no relay port is free")

// maxTries bounds the search when other programs hold ports of a pool.
const maxTries = 256

// ports hands out relay ports, each free one with equal chance: a port that
// can be guessed can be sent to before its owner knows it.
type ports struct {
	pools []*portPool
}

type portPool struct {
	Pool
	mu   sync.Mutex // guards free
	free []uint16
}

func newPorts(pools []Pool) (*ports, error) {
	if len(pools) == 0 {
		return nil, errors.New("relay: no relay addresses: set Relays")
	}
	p := new(ports)
	for i, pool := range pools {
		if pool.MinPort == 0 && pool.MaxPort == 0 {
			pool.MinPort, pool.MaxPort = 49152, 65535
		}
		if !pool.Public.IsValid() {
			pool.Public = pool.Bind
		}
		switch {
		case pool.Bind.Is6() && !pool.Bind.Is4In6() && !pool.Bind.IsUnspecified():
			// Without REQUESTED-ADDRESS-FAMILY a client wants IPv4 (RFC 8656
			// §7.2), and with it the gate answers 440 for IPv6.
			return nil, fmt.Errorf("relay: Relays[%d].Bind is %s; relayed addresses are IPv4 so far", i, pool.Bind)
		case !pool.Bind.IsValid() || pool.Bind.Is4In6() || pool.Bind.IsUnspecified():
			return nil, fmt.Errorf("relay: Relays[%d].Bind is %q; name one address of this host", i, pool.Bind)
		case pool.Public.Is4In6() || pool.Public.IsUnspecified() || pool.Public.Is4() != pool.Bind.Is4():
			return nil, fmt.Errorf("relay: Relays[%d].Public is %s; name the address that peers see, of the family of Bind (%s)", i, pool.Public, pool.Bind)
		case pool.MinPort == 0 || pool.MinPort > pool.MaxPort:
			return nil, fmt.Errorf("relay: Relays[%d] has ports %d to %d; give a range from 1 to 65535", i, pool.MinPort, pool.MaxPort)
		}
		for j, other := range p.pools {
			if other.Bind == pool.Bind && other.MinPort <= pool.MaxPort && pool.MinPort <= other.MaxPort {
				return nil, fmt.Errorf("relay: Relays[%d] and Relays[%d] share ports of %s; give each port to one", j, i, pool.Bind)
			}
		}
		x := &portPool{Pool: pool}
		for port := int(pool.MinPort); port <= int(pool.MaxPort); port++ {
			x.free = append(x.free, uint16(port))
		}
		p.pools = append(p.pools, x)
	}
	return p, nil
}

// open binds a relay socket on a random free port.
func (p *ports) open(plane dataplane.Plane) (*dataplane.Relay, error) {
	for _, pool := range p.pools {
		r, err := pool.open(plane)
		if !errors.Is(err, errNoPort) {
			return r, err
		}
	}
	return nil, errNoPort
}

func (p *portPool) open(plane dataplane.Plane) (*dataplane.Relay, error) {
	var busy []uint16 // held by other programs just now
	defer func() {
		for _, port := range busy {
			p.put(port)
		}
	}()
	for range maxTries {
		port, ok := p.take()
		if !ok {
			break
		}
		r, err := plane.OpenRelay(netip.AddrPortFrom(p.Bind, port), netip.AddrPortFrom(p.Public, port))
		if err == nil {
			return r, nil
		}
		busy = append(busy, port)
		if !errors.Is(err, dataplane.ErrPortInUse) {
			return nil, err
		}
	}
	return nil, errNoPort
}

// close closes a relay socket; its port may be handed out again.
func (p *ports) close(plane dataplane.Plane, r *dataplane.Relay) {
	plane.Remove(r)
	for _, pool := range p.pools {
		if pool.Bind == r.Bind.Addr() && r.Bind.Port() >= pool.MinPort && r.Bind.Port() <= pool.MaxPort {
			pool.put(r.Bind.Port())
			return
		}
	}
}

func (p *portPool) take() (uint16, bool) {
	var r [8]byte
	rand.Read(r[:]) // never fails
	p.mu.Lock()
	defer p.mu.Unlock()
	n := uint64(len(p.free))
	if n == 0 {
		return 0, false
	}
	i := binary.BigEndian.Uint64(r[:]) % n
	port := p.free[i]
	p.free[i] = p.free[n-1]
	p.free = p.free[:n-1]
	return port, true
}

func (p *portPool) put(port uint16) {
	p.mu.Lock()
	p.free = append(p.free, port)
	p.mu.Unlock()
}

// left is the number of ports that have not been handed out.
func (p *ports) left() int {
	n := 0
	for _, pool := range p.pools {
		pool.mu.Lock()
		n += len(pool.free)
		pool.mu.Unlock()
	}
	return n
}
