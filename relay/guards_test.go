package relay

import (
	"net/netip"
	"testing"
	"time"

	"turnpike/pkg/netpolicy"
	"turnpike/ratelimit"
	"turnpike/relay/dataplane"
)

// guarded is a session with one bound peer and one peer of permission alone.
func guarded(t *testing.T, l ratelimit.Limits) (x *session, bound, loose netip.AddrPort, now time.Time) {
	t.Helper()
	x, now = bareSession(t, l, netpolicy.Options{})
	x.halves[0].expires.Store(int64(600 * time.Second))
	bound, loose = netip.MustParseAddrPort("93.184.216.1:5000"), netip.MustParseAddrPort("93.184.217.1:5000")
	x.permit(0, []netip.AddrPort{bound}, &binding{number: 0x4000, peer: bound})
	x.permit(0, []netip.AddrPort{loose}, nil)
	return x, bound, loose, now
}

func policyOf(t testing.TB, o netpolicy.Options) *netpolicy.Policy {
	t.Helper()
	p, err := netpolicy.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// ways are the four ways of a datagram.
func ways(x *session, bound, loose netip.AddrPort) map[string]func(n int, now time.Time) dataplane.Verdict {
	return map[string]func(int, time.Time) dataplane.Verdict{
		"channel": func(n int, now time.Time) dataplane.Verdict {
			_, v := x.ToPeer(0x4000, netip.AddrPort{}, n, now)
			return v
		},
		"send":       func(n int, now time.Time) dataplane.Verdict { _, v := x.ToPeer(0, loose, n, now); return v },
		"to channel": func(n int, now time.Time) dataplane.Verdict { _, v := x.ToClient(bound, n, now); return v },
		"data":       func(n int, now time.Time) dataplane.Verdict { _, v := x.ToClient(loose, n, now); return v },
	}
}

func TestEveryWayIsGuarded(t *testing.T) {
	deny := policyOf(t, netpolicy.Options{Deny: netpolicy.Lines(netip.MustParsePrefix("93.184.0.0/16"))})
	for _, way := range []string{"channel", "send", "to channel", "data"} {
		for _, c := range []struct {
			name   string
			limits ratelimit.Limits
			change func(x *session)
			n      int
			after  time.Duration
			want   dataplane.Verdict
		}{
			{"open", ratelimit.Limits{}, nil, 100, 0, dataplane.Allow},
			{"policy", ratelimit.Limits{}, func(x *session) { x.server.SetPolicy(deny) }, 100, 0, dataplane.PolicyPeer},
			{"session rate", ratelimit.Limits{SessionBits: 8000}, nil, 1 << 20, 0, dataplane.RateSession},
			{"user rate", ratelimit.Limits{UserBits: 8000}, nil, 1 << 20, 0, dataplane.RateUser},
			{"bytes a day", ratelimit.Limits{UserBytesPerDay: 50}, nil, 100, 0, dataplane.QuotaBytes},
			{"permission", ratelimit.Limits{}, nil, 100, 300 * time.Second, dataplane.NoPermission},
			{"session", ratelimit.Limits{}, func(x *session) { x.halves[0].expires.Store(int64(time.Second)) }, 100, time.Second, dataplane.Ended},
		} {
			x, bound, loose, now := guarded(t, c.limits)
			try := ways(x, bound, loose)[way]
			if v := try(1, now); v != dataplane.Allow { // the yes is remembered
				t.Fatalf("%s/%s: %v", way, c.name, v)
			}
			if c.change != nil {
				c.change(x)
			}
			if v := try(c.n, now.Add(c.after)); v != c.want {
				t.Errorf("%s: %s: %v, want %v", way, c.name, v, c.want)
			}
		}
	}
}

// Once the channel has lapsed, a peer with a permission is heard by indication.
func TestLapsedChannelIsNotUsed(t *testing.T) {
	x, bound, _, now := guarded(t, ratelimit.Limits{})
	x.permit(int64(400*time.Second), []netip.AddrPort{bound}, nil)
	x.halves[0].expires.Store(int64(time.Hour))
	if n, v := x.ToClient(bound, 1, now.Add(600*time.Second)); n != 0 || v != dataplane.Allow {
		t.Errorf("channel %#x, %v", n, v)
	}
}

// A yes for one port of an address is none for its other ports: an allow line
// for this host does not open our own listener.
func TestYesIsForOnePort(t *testing.T) {
	x, _, _, now := guarded(t, ratelimit.Limits{})
	host := netip.MustParseAddr("93.184.216.9")
	x.server.SetPolicy(policyOf(t, netpolicy.Options{
		Allow: netpolicy.Lines(netip.PrefixFrom(host, 32)), HostAddrs: []netip.Addr{host},
		RelayAddrs: []netip.Addr{host}, Own: []netip.AddrPort{netip.AddrPortFrom(host, 3478)},
	}))
	x.permit(0, []netip.AddrPort{netip.AddrPortFrom(host, 0)}, nil)
	if _, v := x.ToPeer(0, netip.AddrPortFrom(host, 9), 1, now); v != dataplane.Allow {
		t.Fatal(v)
	}
	if _, v := x.ToPeer(0, netip.AddrPortFrom(host, 3478), 1, now); v != dataplane.PolicyPeer {
		t.Errorf("our own listener: %v", v)
	}
}

// A host is not scanned through us: ports that a client chooses for its
// datagrams are new peers, but for the few that it uses by turns.
func TestPortsAreNotScanned(t *testing.T) {
	x, _, loose, now := guarded(t, ratelimit.Limits{})
	x.fresh.Set(ratelimit.Rate{PerSecond: 1, Burst: 10})
	passed, refused := 0, 0
	for port := range uint16(1000) {
		switch _, v := x.ToPeer(0, netip.AddrPortFrom(loose.Addr(), 10000+port), 1, now); v {
		case dataplane.Allow:
			passed++
		case dataplane.RatePeers:
			refused++
		default:
			t.Fatal(v)
		}
	}
	if passed != 10 || refused != 990 {
		t.Errorf("%d of 1,000 ports were sent to, %d refused; want 10 and 990", passed, refused)
	}
	for i := range uint16(100) { // the last four, by turns
		if _, v := x.ToPeer(0, netip.AddrPortFrom(loose.Addr(), 10006+i%4), 1, now); v != dataplane.Allow {
			t.Fatalf("a port in use: %s", v)
		}
		if _, v := x.ToClient(netip.AddrPortFrom(loose.Addr(), 20000+i), 1, now); v != dataplane.Allow {
			t.Fatalf("a peer that answers from another port: %s", v)
		}
	}
	if _, v := x.ToPeer(0x4000, netip.AddrPort{}, 1, now); v != dataplane.Allow {
		t.Errorf("a channel: %s", v)
	}
}

// A client hears of ICMP errors about peers that it may send to, and at a pace.
func TestICMPIsJudged(t *testing.T) {
	x, bound, loose, now := guarded(t, ratelimit.Limits{SessionBits: 8, UserBytesPerDay: 1})
	host := netip.MustParseAddr("93.184.219.1")
	x.permit(0, []netip.AddrPort{netip.AddrPortFrom(host, 0)}, nil)
	x.server.SetPolicy(policyOf(t, netpolicy.Options{
		Deny:      netpolicy.Lines(netip.MustParsePrefix("93.184.217.0/24")),
		HostAddrs: []netip.Addr{host}, RelayAddrs: []netip.Addr{host}, Own: []netip.AddrPort{netip.AddrPortFrom(host, 3478)},
	}))
	stranger, live := netip.MustParseAddrPort("93.184.218.1:5000"), netip.AddrPortFrom(host, 20000)
	if _, err := x.server.o.Plane.OpenRelay(live, live); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		peer  netip.AddrPort
		after time.Duration
		want  dataplane.Notice
	}{
		{bound, 0, dataplane.NoticeSent},                               // whatever bytes it has left
		{netip.AddrPortFrom(bound.Addr(), 9), 0, dataplane.NoticeSent}, // a permission has no port
		{stranger, 0, dataplane.NoticeNoPermission},
		{loose, 0, dataplane.NoticePolicy},
		{netip.AddrPortFrom(host, 3478), 0, dataplane.NoticePolicy},
		{live, 0, dataplane.NoticePolicy}, // nothing for it has left
		{bound, 300 * time.Second, dataplane.NoticeNoPermission},
		{bound, 600 * time.Second, dataplane.NoticeNoFlow},
	} {
		if got := x.ICMP(c.peer, now.Add(c.after)); got != c.want {
			t.Errorf("%s after %s: %s, want %s", c.peer, c.after, got, c.want)
		}
	}
}

func TestICMPIsPaced(t *testing.T) {
	x, bound, _, now := guarded(t, ratelimit.Limits{})
	x.notices.Set(ratelimit.Rate{PerSecond: noticesPerSecond, Burst: noticesAtOnce})
	flood := func(now time.Time) (heard int) {
		for range 1000 {
			if n := x.ICMP(bound, now); n == dataplane.NoticeSent {
				heard++
			} else if n != dataplane.NoticePaced {
				t.Fatal(n)
			}
		}
		return heard
	}
	if a, b := flood(now), flood(now.Add(time.Second)); a != noticesAtOnce || b != noticesPerSecond {
		t.Errorf("the client hears of %d at once and of %d in the next second", a, b)
	}
	if _, v := x.ToClient(bound, 100, now); v != dataplane.Allow {
		t.Errorf("a datagram: %s", v)
	}
}
