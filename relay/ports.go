package relay

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"turnpike/relay/dataplane"
	"turnpike/relay/gate"
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

// errNoFamily says that there is no pool of a family: 440.
var errNoFamily = errors.New("relay: no relay addresses of this family")

// maxTries bounds the search when other programs hold ports of a pool.
const maxTries = 256

// ports hands out relay ports, each that will do with equal chance: a port that
// can be guessed can be sent to before its owner knows it.
type ports struct {
	pools    []*portPool
	reserved reservations
}

type portPool struct {
	Pool
	mu   sync.Mutex // guards free
	free freePorts
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
		x := &portPool{Pool: pool, free: newFreePorts(pool.MinPort, pool.MaxPort)}
		p.pools = append(p.pools, x)
	}
	return p, nil
}

// families are those that there are pools of.
func (p *ports) families() (all []gate.Family) {
	for _, f := range []gate.Family{gate.IPv4, gate.IPv6} {
		if slices.ContainsFunc(p.pools, func(pool *portPool) bool { return gate.FamilyOf(pool.Bind) == f }) {
			all = append(all, f)
		}
	}
	return all
}

// open binds a relay socket of a family on a random free port that will do, and
// a second one on the next port if that is to be reserved.
func (p *ports) open(plane dataplane.Plane, family gate.Family, want gate.Port) (r, next *dataplane.Relay, err error) {
	err = errNoFamily
	for _, pool := range p.pools {
		if gate.FamilyOf(pool.Bind) != family {
			continue
		}
		r, next, err = pool.open(plane, want)
		if !errors.Is(err, errNoPort) {
			return r, next, err
		}
	}
	return nil, nil, err
}

func (p *portPool) open(plane dataplane.Plane, want gate.Port) (r, next *dataplane.Relay, err error) {
	var busy []uint16 // held by other programs just now, or beside such a port
	defer func() { p.put(busy...) }()
	for range maxTries {
		port, ok := p.take(want)
		if !ok {
			break
		}
		if r, err = p.bind(plane, port); err == nil && want.Reserve {
			if next, err = p.bind(plane, port+1); err != nil {
				plane.Remove(r)
			}
		}
		if err == nil {
			return r, next, nil
		}
		busy = append(busy, port)
		if want.Reserve {
			busy = append(busy, port+1)
		}
		if !errors.Is(err, dataplane.ErrPortInUse) {
			return nil, nil, err
		}
	}
	return nil, nil, errNoPort
}

func (p *portPool) bind(plane dataplane.Plane, port uint16) (*dataplane.Relay, error) {
	return plane.OpenRelay(netip.AddrPortFrom(p.Bind, port), netip.AddrPortFrom(p.Public, port))
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

// take takes a free port that will do; with want.Reserve the next one too.
func (p *portPool) take(want gate.Port) (uint16, bool) {
	var r [8]byte
	rand.Read(r[:]) // never fails
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.free.take(want, binary.BigEndian.Uint64(r[:]))
}

func (p *portPool) put(ports ...uint16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, port := range ports {
		p.free.put(port)
	}
}

// left is the number of ports that have not been handed out.
func (p *ports) left() int {
	n := 0
	for _, pool := range p.pools {
		pool.mu.Lock()
		n += pool.free.len()
		pool.mu.Unlock()
	}
	return n
}

// freePorts is an index of the free ports of a pool. Each question that an
// Allocate may ask has a set of its own, so that no answer takes a search that
// a client could keep us at.
type freePorts struct {
	even, odd portSet
	pairs     portSet // even ports that are free as well as the next
}

func newFreePorts(first, last uint16) freePorts {
	f := freePorts{newPortSet(first, last), newPortSet(first, last), newPortSet(first, last)}
	for port := int(first); port <= int(last); port++ {
		f.put(uint16(port))
	}
	return f
}

func (f *freePorts) len() int { return len(f.even.ports) + len(f.odd.ports) }

// half is the set of the ports with the parity of port.
func (f *freePorts) half(port uint16) *portSet {
	if port%2 == 0 {
		return &f.even
	}
	return &f.odd
}

// take takes the port that a random number chooses among those that will do.
func (f *freePorts) take(want gate.Port, random uint64) (uint16, bool) {
	from := [2][]uint16{f.even.ports, f.odd.ports}
	if want.Even {
		from[1] = nil
	}
	if want.Reserve {
		from[0] = f.pairs.ports
	}
	n := uint64(len(from[0]) + len(from[1]))
	if n == 0 {
		return 0, false
	}
	i := random % n
	set := from[0]
	if k := uint64(len(set)); i >= k {
		set, i = from[1], i-k
	}
	port := set[i]
	f.remove(port)
	if want.Reserve {
		f.remove(port + 1)
	}
	return port, true
}

func (f *freePorts) remove(port uint16) {
	f.half(port).remove(port)
	f.pairs.remove(port &^ 1)
}

func (f *freePorts) put(port uint16) {
	f.half(port).add(port)
	if f.half(port ^ 1).has(port ^ 1) {
		f.pairs.add(port &^ 1)
	}
}

// portSet is a set of ports with a list of them to choose from.
type portSet struct {
	first uint16
	ports []uint16
	place []uint16 // of each port from first on, in ports, from 1 up; 0: it is not there
}

func newPortSet(first, last uint16) portSet {
	return portSet{first: first, place: make([]uint16, int(last)-int(first)+1)}
}

func (s *portSet) has(port uint16) bool {
	i := int(port) - int(s.first)
	return i >= 0 && i < len(s.place) && s.place[i] != 0
}

func (s *portSet) add(port uint16) {
	s.ports = append(s.ports, port)
	s.place[port-s.first] = uint16(len(s.ports))
}

func (s *portSet) remove(port uint16) {
	if !s.has(port) {
		return
	}
	at, last := s.place[port-s.first], s.ports[len(s.ports)-1]
	s.ports[at-1] = last
	s.place[last-s.first] = at
	s.ports = s.ports[:len(s.ports)-1]
	s.place[port-s.first] = 0
}
