package relay

import (
	"math"
	"net/netip"
	"sync"
	"testing"
	"time"

	"turnpike/auth"
	"turnpike/pkg/netpolicy"
	"turnpike/ratelimit"
	"turnpike/ratelimit/memstore"
	"turnpike/relay/dataplane"
	"turnpike/relay/dataplane/mem"
	"turnpike/relay/gate"
)

// bareSession is a session on no network, with limits and a policy.
func bareSession(t testing.TB, l ratelimit.Limits, o netpolicy.Options) (*session, time.Time) {
	t.Helper()
	ledger, err := ratelimit.NewLedger(ratelimit.LedgerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	reservation, refusal := ledger.Reserve(ratelimit.Subject{User: "alice"}, l, now)
	if refusal != ratelimit.None {
		t.Fatal(refusal)
	}
	return sessionOn(t, reservation, o, now), now
}

// sessionOn is a session with a place.
func sessionOn(t testing.TB, reservation *ratelimit.Reservation, o netpolicy.Options, now time.Time) *session {
	t.Helper()
	role := auth.DefaultRole()
	s := &Server{o: Options{Plane: mem.New(nil)}, now: func() time.Time { return now }}
	s.SetPolicy(policyOf(t, o))
	x := &session{server: s, start: now, identity: &auth.Identity{Role: &role}, reservation: reservation, meter: reservation.Meter()}
	x.peers.Store(new(peers))
	x.halves[0].family = gate.IPv4
	x.halves[0].expires.Store(int64(time.Hour))
	x.halves[1].expires.Store(math.MinInt64)
	return x
}

// judgeOf makes a session with n permitted peers, each on a channel, whose
// policy, permissions and meters are all at work.
func judgeOf(t testing.TB, n int) (*session, []netip.AddrPort, time.Time) {
	x, now := bareSession(t,
		ratelimit.Limits{UserAllocations: 20, SessionBits: 1e12, UserBits: 1e12, UserBytesPerDay: 1e18},
		netpolicy.Options{Deny: netpolicy.Lines(netip.MustParsePrefix("93.184.0.0/24"))})
	var addrs []netip.AddrPort
	for i := range n {
		addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{93, 184, 216, byte(i)}), 5000)
		x.permit(0, []netip.AddrPort{addr}, &binding{number: 0x4000 + uint16(i), peer: addr})
		addrs = append(addrs, addr)
	}
	return x, addrs, now
}

// sharedSession is judgeOf's session with one peer, whose user's limits are shared
// with other nodes.
func sharedSession(t testing.TB) (*session, time.Time) {
	ledger, err := ratelimit.NewLedger(ratelimit.LedgerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	shared, err := ratelimit.NewShared(ratelimit.SharedOptions{Ledger: ledger, Store: memstore.New(time.Now), Now: time.Now, Node: "n"})
	if err != nil {
		t.Fatal(err)
	}
	r, refusal, asked := shared.Reserve(ratelimit.Subject{User: "alice"},
		ratelimit.Limits{UserAllocations: 20, SessionBits: 1e12, UserBits: 1e12}, now, nil) // its bytes are counted all the same
	if r == nil || asked {
		t.Fatal(refusal, asked)
	}
	x := sessionOn(t, r, netpolicy.Options{Deny: netpolicy.Lines(netip.MustParsePrefix("93.184.0.0/24"))}, now)
	peer := netip.MustParseAddrPort("93.184.216.0:5000")
	x.permit(0, []netip.AddrPort{peer}, &binding{number: 0x4000, peer: peer})
	return x, now
}

// Behind a fleet a datagram costs no allocation either.
func TestSharedPassAllocatesNothing(t *testing.T) {
	x, now := sharedSession(t)
	if n := testing.AllocsPerRun(1000, func() {
		if _, v := x.ToPeer(0x4000, netip.AddrPort{}, 100, now); v != dataplane.Allow {
			t.Fatal(v)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestPassAllocatesNothing(t *testing.T) {
	x, addrs, now := judgeOf(t, 64)
	if n := testing.AllocsPerRun(1000, func() {
		for i, addr := range addrs {
			if to, v := x.ToPeer(0x4000+uint16(i), netip.AddrPort{}, 100, now); v != dataplane.Allow || to != addr {
				t.Fatal(to, v)
			}
			if _, v := x.ToPeer(0, addr, 100, now); v != dataplane.Allow {
				t.Fatal(v)
			}
			if n := x.ICMP(addr, now); n != dataplane.NoticeSent {
				t.Fatal(n)
			}
			if channel, v := x.ToClient(addr, 100, now); v != dataplane.Allow || channel != 0x4000+uint16(i) {
				t.Fatal(channel, v)
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Whoever floods a relay port from an address without permission costs a scan
// of the table and no more.
func TestPassRefusesStrangers(t *testing.T) {
	x, _, now := judgeOf(t, 64)
	stranger := netip.MustParseAddrPort("93.184.217.1:5000")
	if _, v := x.ToClient(stranger, 100, now); v != dataplane.NoPermission {
		t.Error(v)
	}
	// A permission has no port (RFC 8656 §9): another port of a permitted
	// address is heard, without the channel.
	other := netip.MustParseAddrPort("93.184.216.1:6000")
	if channel, v := x.ToClient(other, 100, now); v != dataplane.Allow || channel != 0 {
		t.Error(channel, v)
	}
}

func BenchmarkPass(b *testing.B) {
	for _, c := range []struct {
		name  string
		peers int
	}{{"1 peer", 1}, {"8 peers", 8}, {"64 peers", 64}} {
		x, addrs, now := judgeOf(b, c.peers)
		last, channel := addrs[0], uint16(0x4000) // the first made is the last looked at
		b.Run(c.name+"/to peer", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				x.ToPeer(channel, netip.AddrPort{}, 160, now)
			}
		})
		b.Run(c.name+"/to client", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				x.ToClient(last, 160, now)
			}
		})
	}
	shared, now := sharedSession(b)
	b.Run("1 peer/to peer, shared", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, v := shared.ToPeer(0x4000, netip.AddrPort{}, 160, now); v != dataplane.Allow {
				b.Fatal(v)
			}
		}
	})
	x, _, now := judgeOf(b, 64)
	stranger := netip.MustParseAddrPort("93.184.217.1:5000")
	b.Run("64 peers/stranger", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			x.ToClient(stranger, 160, now)
		}
	})
}

// The table is read by the plane's workers while the engine's goroutine renews
// and extends it: the race detector is the judge.
func TestPassBesideRenewals(t *testing.T) {
	x, addrs, now := judgeOf(t, 8)
	var wg sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				for i, addr := range addrs {
					x.ToPeer(0x4000+uint16(i), netip.AddrPort{}, 100, now)
					x.ToClient(addr, 100, now)
				}
			}
		})
	}
	for n := range 2000 {
		b := x.peers.Load().channel(0x4000 + uint16(n%8))
		x.permit(int64(n), []netip.AddrPort{b.peer}, b)
		x.permit(int64(n), []netip.AddrPort{addrs[n%8]}, nil)
		x.server.SetPolicy(x.server.policy.Load().Policy)
	}
	close(done)
	wg.Wait()
}
