//go:build !race

package relay

import (
	"net/netip"
	"testing"
	"time"

	"turnpike/auth"
	"turnpike/relay/dataplane"
	"turnpike/relay/gate"
)

// The reaper looks at every session each second. On a node with thousands of
// idle ones that must not be what fills the memory.
func TestReapAllocatesNothing(t *testing.T) {
	now, role := time.Now(), auth.DefaultRole()
	role.Idle = time.Hour
	s := &Server{now: func() time.Time { return now }, ports: new(ports)}
	s.sessions.init()
	for i := range 1000 {
		x := &session{
			server: s, identity: &auth.Identity{Role: &role}, start: now, movedAt: now,
			client: dataplane.Client{Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 5000)},
		}
		x.view.Store(new(gate.Session))
		x.setRole(&role)
		for j := range x.halves {
			x.halves[j].flow = new(dataplane.Flow)
			x.halves[j].expires.Store(int64(time.Minute))
		}
		s.sessions.add(x)
	}
	if n := testing.AllocsPerRun(100, func() { s.reap(now) }); n != 0 {
		t.Errorf("%v allocations for 1,000 idle sessions", n)
	}
}
