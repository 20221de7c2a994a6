package relay_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/stun/v3"

	"turnpike/auth"
	"turnpike/pkg/netpolicy"
	"turnpike/ratelimit"
	"turnpike/relay"
	"turnpike/relay/relaytest"
)

// stress is a server with too few ports and short sessions, under clients that
// do whatever comes to mind, while its policy and its role change, users are
// revoked and forgiven, and at last it stops.
// Whatever happened, everything must have come back, and the records must add
// up to what the plane carried.
type stress struct {
	*bed
	ledger  *ratelimit.Ledger
	revoked *auth.Revocations
	relayed [16]atomic.Pointer[netip.AddrPort] // of each client, to meet at
	second  [16]atomic.Pointer[netip.AddrPort] // of those that have a dual allocation
	stopped atomic.Bool
}

func newStress(t testing.TB, plane func(testing.TB, setup) *bed) *stress {
	s := new(stress)
	s.bed = plane(t, setup{
		role: stressRole(4 * time.Second),
		options: func(o *relay.Options) {
			s.ledger = o.Ledger
			s.revoked = auth.NewRevocations()
			o.Revocations = s.revoked
			o.Relays[0].MinPort, o.Relays[0].MaxPort = 47000, 47011
			o.Relays = append(o.Relays, relay.Pool{Bind: netip.IPv6Loopback(), MinPort: 47000, MaxPort: 47005})
			o.Limits.Permissions, o.Limits.Channels = 8, 4
		},
	})
	return s
}

func stressRole(longest time.Duration) func(*auth.Role) {
	return func(r *auth.Role) { r.Allocations, r.MaxSession, r.Idle = 6, longest, 2*time.Second }
}

func TestStress(t *testing.T) {
	t.Run("fake time", func(t *testing.T) {
		for seed := range uint64(5) {
			synctest.Test(t, func(t *testing.T) {
				s := newStress(t, memBed)
				s.run(seed, 300, 20*time.Second)
			})
		}
	})
	onSockets(t, func(t *testing.T, open func(testing.TB, setup) *bed) { newStress(t, open).run(99, 600, 3*time.Second) })
	t.Run("streams", func(t *testing.T) {
		streams := func(t testing.TB, s setup) *bed {
			options := s.options
			s.options = func(o *relay.Options) { options(o); o.Listen[0].TCP = true }
			return socketBed(t, s)
		}
		newStress(t, streams).run(7, 600, 3*time.Second)
	})
}

// run lets the clients do their operations, stops the server after a while,
// whether they are through or not, and counts.
func (s *stress) run(seed uint64, operations int, while time.Duration) {
	ports := s.server.Stats().RelayPortsFree
	var clients, policies sync.WaitGroup
	for id := range s.relayed {
		clients.Go(func() { s.client(rand.New(rand.NewPCG(seed, uint64(id))), id, operations) })
	}
	policies.Go(s.changePolicies)
	through := make(chan struct{})
	go func() { clients.Wait(); close(through) }()
	select {
	case <-through:
	case <-time.After(while):
	}
	faults := s.server.Stats().EngineFaults
	s.close()
	s.stopped.Store(true)
	clients.Wait()
	policies.Wait()
	s.settle(ports, faults)
}

func (s *stress) changePolicies() {
	for i := 0; !s.stopped.Load(); i++ {
		o := netpolicy.Options{}
		if i%2 == 0 {
			o.Deny = netpolicy.Lines(netip.MustParsePrefix("93.184.218.0/25"))
		}
		p, err := s.policy(o, []netip.AddrPort{s.addr})
		must(s.t, err)
		s.server.SetPolicy(p)
		s.reload(stressRole(time.Duration(3+i%3) * time.Second))
		if i%100 == 50 {
			who := auth.Revocation{Kind: auth.RevokeUser, User: fmt.Sprint("user", i/100%5), Before: time.Now().Add(time.Second)}
			_, _, err := s.server.Revoke(who)
			must(s.t, err)
			s.revoked.Lift(who)
		}
		time.Sleep(3 * time.Millisecond)
	}
}

// client does random operations on one five-tuple. What is answered does not
// matter here.
func (s *stress) client(r *rand.Rand, id, operations int) {
	c := s.raw(fmt.Sprint("user", id%5))
	conn := new(caller)
	if len(s.bound) > 1 && id%4 != 0 {
		conn = &caller{at: s.bound[1].Addr}
		defer conn.hangUp(r)
		c.Conn, c.Server = conn, conn.at
	}
	c.Timeout = 40 * time.Millisecond
	peer := func() netip.AddrPort {
		from := &s.relayed
		if r.IntN(3) == 0 {
			from = &s.second
		}
		if p := from[r.IntN(len(from))].Load(); p != nil && r.IntN(4) > 0 {
			return *p
		}
		return peerN(r.IntN(20))
	}
	for range operations {
		if s.stopped.Load() {
			return
		}
		switch r.IntN(16) {
		case 0, 1, 2:
			if a, err := c.Allocate(); err == nil && a.OK() {
				s.relayed[id].Store(&a.Relayed)
			}
		case 3:
			c.Refresh(600 * time.Second)
		case 4:
			c.Refresh(0)
		case 5:
			s.endAndBegin(c)
		case 6:
			c.CreatePermission(peer(), peer(), peer())
		case 7, 8:
			c.ChannelBind(uint16(0x4000+r.IntN(6)), peer())
		case 9, 10:
			for range 20 {
				c.SendChannel(uint16(0x4000+r.IntN(6)), make([]byte, r.IntN(300)))
				c.Send(peer(), make([]byte, r.IntN(300)))
			}
		case 13:
			if a, err := c.Allocate(both); err == nil && a.OK() {
				s.relayed[id].Store(&a.Relayed)
				if a.Additional.IsValid() {
					s.second[id].Store(&a.Additional)
				}
			}
		case 14:
			refresh(c, 600*time.Second, relaytest.Family(byte(1+r.IntN(2))))
		case 15:
			refresh(c, 0, relaytest.Family(byte(1+r.IntN(2))))
		case 11:
			time.Sleep(time.Duration(r.IntN(700)) * time.Millisecond) // let sessions lapse
		case 12:
			if r.IntN(2) == 0 {
				s.endAndBegin(c) // and be gone while that is served
			}
			conn.hangUp(r)
		}
	}
}

// endAndBegin sends a Refresh 0 and an Allocate, each twice, and waits for none.
func (s *stress) endAndBegin(c *relaytest.Client) {
	bye, err := c.Request(stun.MethodRefresh, []stun.Setter{relaytest.Lifetime(0)}, nil)
	must(s.t, err)
	hello, err := c.Request(stun.MethodAllocate, []stun.Setter{relaytest.RequestedTransport(17)}, nil)
	must(s.t, err)
	for _, m := range [][]byte{bye, bye, hello, hello} {
		c.WriteRaw(m)
	}
}

func (s *stress) settle(ports int, faults map[string]uint64) {
	st, plane := s.server.Stats(), s.plane.Counters()
	var got, carried [4]uint64
	carried = [4]uint64{plane.ToPeer.Packets(), plane.ToPeer.Bytes(), plane.ToClient.Packets(), plane.ToClient.Bytes()}
	ends, sessions, dual := map[string]int{}, uint64(0), 0
	for len(s.ended) > 0 {
		r := <-s.ended
		sessions++
		ends[r.Why.String()]++
		if r.Additional.IsValid() {
			dual++
		}
		for i, n := range []uint64{r.PacketsToPeer, r.BytesToPeer, r.PacketsToClient, r.BytesToClient} {
			got[i] += n
		}
	}
	if dual == 0 {
		s.t.Error("no dual session")
	}
	s.t.Logf("%d sessions, %d dual, ended by %v; allocations %v; carried %v, %d handed over",
		sessions, dual, ends, st.AllocationsTotal, carried, plane.HandedOver.Packets())
	if got != carried {
		s.t.Errorf("records add up to %v, the plane carried %v", got, carried)
	}
	live := 0
	for _, n := range st.Allocations {
		live += max(n, -n)
	}
	if sessions != st.AllocationsTotal["success"] || live != 0 || s.server.Sessions() != 0 {
		s.t.Errorf("%d begun, %d ended, %d live, %d in the table", st.AllocationsTotal["success"], sessions, live, s.server.Sessions())
	}
	if st.Streams != nil {
		s.settleStreams(st.Streams)
	}
	if st.RelayPortsFree != ports {
		s.t.Errorf("%d of %d ports are back", st.RelayPortsFree, ports)
	}
	if l := s.ledger.Stats(); l.Accounts != 0 || l.Pending != 0 || l.Confirmed != 0 {
		s.t.Errorf("left in the ledger: %+v", l)
	}
	for port := uint16(47000); port <= 47011; port++ {
		for _, ip := range []netip.Addr{s.addr.Addr(), netip.IPv6Loopback()} {
			if s.plane.Live(netip.AddrPortFrom(ip, port)) {
				s.t.Errorf("relay port %d of %s lives on", port, ip)
			}
		}
	}
	for name, n := range faults {
		if n != 0 {
			s.t.Errorf("engine fault %s: %d", name, n)
		}
	}
}
