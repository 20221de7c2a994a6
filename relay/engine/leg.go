package engine

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"sync/atomic"
	"time"
)

var (
	errNoAllocate = errors.New("engine: no Allocate is being served")
	errNoData     = errors.New("engine: pion relays no data")
)

// States of a leg. They only go up.
const (
	legFresh int32 = iota // pion holds nothing for it
	legOpen
	legEnded
)

// pseudoPort is the port of every client that pion sees; the address tells them
// apart.
const pseudoPort = 1

// Leg is one pion allocation: before, while and after it exists. A session with
// relayed addresses of both families has two. A leg whose open failed may be
// tried again; one that has ended may not.
type Leg struct {
	door   *door
	open   func() (netip.AddrPort, error)
	closed func()

	// addr is the client that pion sees. pion keeps the pointer
	// (pion internal/server/turn.go:34-38), so it never changes.
	addr   net.UDPAddr
	addrIP [16]byte

	state  atomic.Int32
	ending atomic.Bool // a Refresh 0 was sent

	// The following are written on pion's goroutine only, relayed before the
	// state is legOpen.
	relayed   netip.AddrPort
	end       time.Time // when the granted lifetime is over
	relay     relay
	relayAddr net.UDPAddr
	relayIP   [16]byte
}

// NewLeg makes a leg; pion hears of it with its first Allocate.
//
// open is called while an Allocate of the leg is served, on pion's goroutine,
// and returns the relayed transport address, of either family, with a port. Its
// error becomes a 508 and leaves nothing behind. It must not wait.
//
// closed is called exactly once after an open that returned no error, when the
// allocation has ended. After a Refresh 0 it has run before the request is done;
// at Close before that returns.
func (e *Engine) NewLeg(open func() (netip.AddrPort, error), closed func()) *Leg {
	l := &Leg{door: e.door, open: open, closed: closed}
	putPseudoIP(&l.addrIP, e.door.counter.Add(1))
	l.addr = net.UDPAddr{IP: l.addrIP[:], Port: pseudoPort}
	l.relay.leg = l
	return l
}

// over tells whether the granted lifetime is over, or never began.
func (l *Leg) over(now time.Time) bool { return !now.Before(l.end) }

// opened enters the relayed address that open returned. False: it is none.
func (l *Leg) opened(addr netip.AddrPort) bool {
	addr = netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
	if !plain(addr.Addr()) || addr.Addr().IsUnspecified() || addr.Port() == 0 {
		return false
	}
	l.relayed = addr
	l.relayAddr = net.UDPAddr{IP: append(l.relayIP[:0], addr.Addr().AsSlice()...), Port: int(addr.Port())}
	return true
}

// putPseudoIP writes fd00::n, in the 16 bytes that pion compares
// (pion internal/allocation/five_tuple.go:66-74).
func putPseudoIP(ip *[16]byte, n uint64) {
	ip[0] = 0xfd
	binary.BigEndian.PutUint64(ip[8:], n)
}

func pseudoAddr(n uint64) *net.UDPAddr {
	var ip [16]byte
	putPseudoIP(&ip, n)
	return &net.UDPAddr{IP: ip[:], Port: pseudoPort}
}

// generator gives pion the relayed address of the leg being served.
type generator struct{ door *door }

func (generator) Validate() error { return nil }

// AllocatePacketConn calls the leg's open. The network is always "udp4"
// (pion internal/allocation/allocation_manager.go:122) and means nothing: an
// IPv6 address from here is all that an IPv6 allocation takes.
func (g generator) AllocatePacketConn(string, int) (net.PacketConn, net.Addr, error) {
	d := g.door
	if !d.busy || d.x.request.Method != Allocate || d.x.request.Leg.state.Load() != legFresh {
		d.faults.count(FaultOpen)
		return nil, nil, errNoAllocate
	}
	l := d.x.request.Leg
	addr, err := l.open()
	if err != nil {
		return nil, nil, err
	}
	if !l.opened(addr) {
		d.faults.count(FaultOpen)
		l.state.Store(legEnded)
		l.closed()
		return nil, nil, errNoAllocate
	}
	d.legs.Add(1)
	d.handlers.Add(1) // pion always starts one now (allocation_manager.go:122-145)
	l.state.Store(legOpen)
	return &l.relay, &l.relayAddr, nil
}

// AllocateConn is for RFC 6062, which pion v4 does not have.
func (g generator) AllocateConn(string, int) (net.Conn, net.Addr, error) {
	g.door.faults.count(FaultOpen)
	return nil, nil, errNoAllocate
}

// relay is what pion takes for the relay socket. The data plane has the real
// one.
type relay struct {
	noDeadlines
	leg *Leg
}

// ReadFrom ends the goroutine that pion starts for each allocation, and frees
// its buffer: it has no deferred calls and owns nothing else
// (pion internal/allocation/allocation.go:297-305). An error instead would
// delete the allocation.
func (r *relay) ReadFrom([]byte) (int, net.Addr, error) {
	r.leg.door.handlers.Done()
	runtime.Goexit()
	return 0, nil, net.ErrClosed
}

// WriteTo is never called: no data reaches pion.
func (r *relay) WriteTo([]byte, net.Addr) (int, error) {
	r.leg.door.faults.count(FaultWrite)
	return 0, errNoData
}

// Close is pion's word that the allocation has ended. It must return nil: an
// error would keep pion's Manager.Close from closing the others
// (pion internal/allocation/allocation_manager.go:85-88).
func (r *relay) Close() error {
	l := r.leg
	if !l.state.CompareAndSwap(legOpen, legEnded) {
		return nil
	}
	if !l.ending.Load() && !l.door.closing.Load() {
		l.door.faults.count(FaultExpired)
	}
	l.closed()
	l.door.legs.Done()
	return nil
}

func (r *relay) LocalAddr() net.Addr { return &r.leg.relayAddr }
