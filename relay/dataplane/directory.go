package dataplane

import (
	"net/netip"
	"sync"
	"sync/atomic"
)

// Relay is one bound relayed transport address. A plane makes it; the flow it
// belongs to comes with Install.
type Relay struct {
	Bind, Public netip.AddrPort
	// Socket is the plane's own.
	Socket any

	flow atomic.Pointer[Flow]
}

// reaches reports whether an address is of the relay's own family.
func (r *Relay) reaches(addr netip.Addr) bool { return r.Bind.Addr().Is4() == addr.Is4() }

// Directory knows every open relay by its bind and its public address. Lookups
// take no lock: every datagram makes one.
type Directory struct {
	mu    sync.Mutex // guards writers
	hosts atomic.Pointer[[]relayHost]
}

// relayHost holds the relays of one of our addresses, by port.
type relayHost struct {
	addr  netip.Addr
	ports *[1 << 16]atomic.Pointer[Relay]
}

// Find returns the open relay that owns addr, or nil.
func (d *Directory) Find(addr netip.AddrPort) *Relay {
	hosts := d.hosts.Load()
	if hosts == nil {
		return nil
	}
	for i := range *hosts {
		if h := &(*hosts)[i]; h.addr == addr.Addr() {
			return h.ports[addr.Port()].Load()
		}
	}
	return nil
}

// Add enters a relay under both its addresses.
func (d *Directory) Add(r *Relay) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.Find(r.Bind) != nil || d.Find(r.Public) != nil {
		return ErrPortInUse
	}
	d.slotLocked(r.Bind).Store(r)
	d.slotLocked(r.Public).Store(r)
	return nil
}

// Delete takes a relay out. An unknown one is ignored.
func (d *Directory) Delete(r *Relay) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, addr := range []netip.AddrPort{r.Bind, r.Public} {
		if d.Find(addr) == r {
			d.slotLocked(addr).Store(nil)
		}
	}
}

func (d *Directory) slotLocked(addr netip.AddrPort) *atomic.Pointer[Relay] {
	var hosts []relayHost
	if old := d.hosts.Load(); old != nil {
		hosts = *old
	}
	for _, h := range hosts {
		if h.addr == addr.Addr() {
			return &h.ports[addr.Port()]
		}
	}
	h := relayHost{addr: addr.Addr(), ports: new([1 << 16]atomic.Pointer[Relay])}
	grown := append(append([]relayHost(nil), hosts...), h)
	d.hosts.Store(&grown)
	return &h.ports[addr.Port()]
}
