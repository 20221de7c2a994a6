package relay_test

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"turnpike/auth"
	"turnpike/pkg/netpolicy"
	"turnpike/relay"
	"turnpike/relay/dataplane"
	"turnpike/relay/dataplane/mem"
	"turnpike/relay/gate"
	"turnpike/relay/relaytest"
)

// reload puts another form of the role default in force.
func (b *bed) reload(change func(*auth.Role)) {
	b.t.Helper()
	role := auth.DefaultRole()
	change(&role)
	ring, err := auth.NewKeyring(auth.Options{Keys: []auth.Key{{ID: "k", Secret: b.secret}}, Roles: []auth.Role{role}})
	must(b.t, err)
	verifier, err := auth.NewVerifier(ring, realm)
	must(b.t, err)
	must(b.t, b.server.SetAccess(verifier, nil))
}

// A live session obeys its role as it is, not as it was.
func TestLiveSessionsObeyTheRole(t *testing.T) {
	for name, c := range map[string]struct {
		role, next func(*auth.Role)
		why        relay.End
		after      time.Duration // of the session
	}{
		"shorter":     {func(*auth.Role) {}, func(r *auth.Role) { r.MaxSession = time.Hour }, relay.EndMaxSession, time.Hour},
		"over":        {func(*auth.Role) {}, func(r *auth.Role) { r.MaxSession = time.Minute }, relay.EndMaxSession, 10 * time.Minute},
		"longer":      {func(r *auth.Role) { r.MaxSession = 20 * time.Minute }, func(r *auth.Role) { r.MaxSession = time.Hour }, relay.EndMaxSession, time.Hour},
		"idle":        {func(*auth.Role) {}, func(r *auth.Role) { r.Idle = 30 * time.Minute }, relay.EndIdle, 30 * time.Minute},
		"idle before": {func(r *auth.Role) { r.Idle = 20 * time.Minute }, func(r *auth.Role) { r.Idle, r.MaxSession = 0, time.Hour }, relay.EndMaxSession, time.Hour},
		"renamed":     {func(r *auth.Role) { r.MaxSession = time.Hour }, func(r *auth.Role) { r.Name, r.MaxSession = "other", time.Minute }, relay.EndMaxSession, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := memBed(t, setup{role: c.role})
				alice, _ := b.allocated("alice")
				time.Sleep(10 * time.Minute / 2)
				expect(t, 0)(alice.Refresh(600 * time.Second))
				time.Sleep(10 * time.Minute / 2)
				b.reload(c.next)
				for r, err := alice.Refresh(600 * time.Second); err == nil && r.Code == 0; r, err = alice.Refresh(600 * time.Second) {
					time.Sleep(min(5*time.Minute, r.Lifetime))
				}
				r := b.wait(1)["alice"]
				if lived := r.End.Sub(r.Start); r.Why != c.why || lived < c.after || lived > c.after+2*time.Second {
					t.Errorf("%s after %v, want %s after %v", r.Why, lived, c.why, c.after)
				}
			})
		})
	}
}

// The rates and the bytes a day of a live session are those of the role in force.
func TestLiveSessionsObeyTheRates(t *testing.T) {
	for name, c := range map[string]struct {
		next func(*auth.Role)
		why  dataplane.Verdict
	}{
		"session": {func(r *auth.Role) { r.SessionBits = 1 }, dataplane.RateSession},
		"user":    {func(r *auth.Role) { r.UserBits = 1 }, dataplane.RateUser},
		"day":     {func(r *auth.Role) { r.BytesPerDay = 100 }, dataplane.QuotaBytes},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := memBed(t, setup{role: func(r *auth.Role) { r.SessionBits, r.UserBits = 0, 0 }})
				alice, _ := b.allocated("alice")
				peer := newPeer(t, b)
				expect(t, 0)(alice.ChannelBind(0x4000, peer.addr))
				send := func() uint64 {
					for range 1000 {
						must(t, alice.SendChannel(0x4000, make([]byte, 1000)))
					}
					synctest.Wait()
					return b.plane.Counters().Dropped(c.why)
				}
				if n := send(); n != 0 {
					t.Fatalf("%d dropped without a limit", n)
				}
				b.reload(func(r *auth.Role) { r.SessionBits, r.UserBits = 0, 0; c.next(r) })
				if n := send(); n < 500 {
					t.Errorf("%d dropped of 1,000", n)
				}
				before := b.plane.Counters().Dropped(c.why)
				b.reload(func(r *auth.Role) { r.SessionBits, r.UserBits = 0, 0 })
				if n := send() - before; n != 0 {
					t.Errorf("%d dropped when the limit was gone", n)
				}
			})
		})
	}
}

// A role allocates over its transports and over no other, whatever the live
// sessions of the same credential are.
func TestRoleTransports(t *testing.T) {
	all := []gate.Transport{gate.UDP, gate.TCP, gate.TLS}
	bits := map[gate.Transport]auth.Transports{gate.UDP: auth.UDP, gate.TCP: auth.TCP, gate.TLS: auth.TLS}
	for allowed := auth.Transports(0); allowed <= auth.UDP|auth.TCP|auth.TLS; allowed++ {
		b, certificate := streamBed(t, setup{role: func(r *auth.Role) { r.Transports = allowed }})
		credential, err := b.issuer.Issue(auth.Request{User: "alice"}, time.Now())
		must(t, err)
		user := relaytest.User{Name: credential.Username, Password: credential.Password}
		refused := uint64(0)
		for _, over := range all {
			var c *relaytest.Client
			if over == gate.UDP {
				c = b.raw("alice").As(user)
			} else {
				c = relaytest.NewStreamClient(b.dial(over, certificate), user)
			}
			want := 0
			if allowed != 0 && allowed&bits[over] == 0 {
				want = 403
				refused++
			}
			expect(t, want)(c.Allocate())
		}
		if n := b.server.Stats().AllocationsTotal["transport"]; n != refused {
			t.Errorf("transports %03b: %d refused, want %d", allowed, n, refused)
		}
		b.close()
	}
}

// The peers of a role hold for live sessions from the moment a policy is in force,
// in both directions, and for other clients' relays too.
func TestLiveSessionsObeyThePeersOfTheRole(t *testing.T) {
	onSockets(t, func(t *testing.T, newBed func(testing.TB, setup) *bed) {
		listed := map[string][]netpolicy.Line{auth.DefaultRoleName: {{Preset: netpolicy.PresetSelf}}}
		b := newBed(t, setup{policy: netpolicy.Options{Roles: listed}})
		alice, bob := b.over(gate.UDP, nil, "alice"), b.over(gate.UDP, nil, "bob")
		introduce(t, alice, bob)
		exchange(t, alice, bob, 100)
		alone := map[string][]netpolicy.Line{auth.DefaultRoleName: {}}
		narrow, err := b.policy(netpolicy.Options{Roles: alone}, []netip.AddrPort{b.addr})
		must(t, err)
		b.server.SetPolicy(narrow)
		before := b.plane.Counters().Dropped(dataplane.PolicyPeer)
		permit(t, alice, bob)
		permit(t, bob, alice)
		for b.plane.Counters().Dropped(dataplane.PolicyPeer) < before+2 {
			time.Sleep(time.Millisecond)
		}
		for _, p := range []*party{alice, bob} {
			must(t, p.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
			if n, _, err := p.ReadFrom(make([]byte, 1500)); err == nil {
				t.Errorf("%d bytes came through", n)
			}
		}
		expect(t, 403)(b.rawAllocated("carol").CreatePermission(netip.AddrPortFrom(loopback, 0)))
	})
}

func (b *bed) rawAllocated(user string) *relaytest.Client {
	c, _ := b.allocated(user)
	return c
}

// A role of few peers hears nobody else, and its port lists hold for data.
func TestPeersOfARole(t *testing.T) {
	b := memBed(t, setup{policy: netpolicy.Options{Roles: map[string][]netpolicy.Line{
		auth.DefaultRoleName: {{Prefix: netip.PrefixFrom(memClient, 32), Ports: []netpolicy.PortRange{{First: 50000, Last: 50001}}}},
	}}})
	open := func(port uint16) *peer {
		conn, err := b.plane.(*mem.Plane).Host(netip.AddrPortFrom(memClient, port))
		must(t, err)
		t.Cleanup(func() { conn.Close() })
		return &peer{t, conn, netip.AddrPortFrom(memClient, port)}
	}
	c, relayed := b.allocated("alice")
	in, out := open(50001), open(50002)
	expect(t, 403)(c.CreatePermission(peerN(1)))
	expect(t, 403)(c.ChannelBind(0x4001, out.addr))
	expect(t, 0)(c.ChannelBind(0x4000, in.addr))
	must(t, c.Send(out.addr, []byte("no")))
	out.send(relayed, "no")
	must(t, c.SendChannel(0x4000, []byte("yes")))
	in.expect("yes")
	in.send(relayed, "yes")
	if d, err := c.Receive(); err != nil || string(d.Payload) != "yes" {
		t.Errorf("%+v, %v", d, err)
	}
	if n := b.plane.Counters().Dropped(dataplane.PolicyPeer); n != 2 {
		t.Errorf("%d datagrams refused, want 2", n)
	}
	if n := b.server.Stats().Gate.Denied(netpolicy.RoleDeny); n != 2 {
		t.Errorf("%d requests refused, want 2", n)
	}
}
