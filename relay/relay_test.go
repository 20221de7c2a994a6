package relay_test

import (
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"turnpike/auth"
	"turnpike/relay"
	"turnpike/relay/relaytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// onEveryPlane runs a test on the plane in memory and on sockets.
func onEveryPlane(t *testing.T, s setup, run func(*testing.T, *bed)) {
	t.Run("mem", func(t *testing.T) { run(t, memBed(t, s)) })
	onSockets(t, func(t *testing.T, open func(testing.TB, setup) *bed) { run(t, open(t, s)) })
}

func TestClientToClient(t *testing.T) {
	onEveryPlane(t, setup{}, func(t *testing.T, b *bed) {
		alice, bob := b.allocate("alice"), b.allocate("bob")
		permit(t, alice, bob) // lost: bob has no permission yet
		for _, n := range []int{0, 1, 100, 1200} {
			if n == 0 {
				permit(t, bob, alice)
				alice.SetReadDeadline(time.Now().Add(10 * time.Second))
				if k, _, err := alice.ReadFrom(make([]byte, 99)); err != nil || k != 5 {
					t.Fatal(k, err)
				}
				continue
			}
			exchange(t, alice, bob, n)
		}
		must(t, alice.Close())
		must(t, bob.Close())
		records := b.wait(2)
		first, second := records["alice"], records["bob"]
		if first.Why != relay.EndClient || second.Why != relay.EndClient {
			t.Errorf("records %+v, %+v", first, second)
		}
		// alice: knock, then three payloads each way; bob's knock came in.
		if first.BytesToPeer != 5+1301 || first.BytesToClient != 5+1301 || first.PacketsToPeer != 4 || first.PacketsToClient != 4 {
			t.Errorf("alice's record: %+v", first)
		}
		if second.BytesToPeer != 5+1301 || second.BytesToClient != 1301 || second.Dropped != 1 {
			t.Errorf("bob's record: %+v", second)
		}
	})
}

func TestClientToPeer(t *testing.T) {
	b := memBed(t, setup{})
	alice, peer := b.allocate("alice"), b.host()
	defer peer.Close()
	permit(t, alice, peer)
	if n, _, err := peer.ReadFrom(make([]byte, 99)); err != nil || n != 5 {
		t.Fatal(n, err)
	}
	for n := 1; n < 1200; n += 100 {
		exchange(t, alice, peer, n)
	}
}

func TestBinding(t *testing.T) {
	onEveryPlane(t, setup{}, func(t *testing.T, b *bed) {
		conn := b.host()
		addr, err := b.clientWith(conn, "x", "y").SendBindingRequest()
		if err != nil || addr.String() != conn.LocalAddr().String() {
			t.Errorf("got %v, %v; want %s", addr, err, conn.LocalAddr())
		}
	})
}

// A session whose client refreshes, as pion's does by itself, lives on.
func TestLifetime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memBed(t, setup{})
		alice, bob := b.allocate("alice"), b.allocate("bob")
		permit(t, alice, bob)
		permit(t, bob, alice)
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if n := b.server.Stats().Allocations[[2]string{"udp", "ipv4"}]; n != 2 {
			t.Fatalf("%d allocations live after two hours of refreshes", n)
		}
		drain(alice)
		exchange(t, alice, bob, 100)
		b.close()
		for _, r := range b.wait(2) {
			if r.Why != relay.EndShutdown || r.End.Sub(r.Start).Round(time.Minute) != 2*time.Hour {
				t.Errorf("record %+v", r)
			}
		}
	})
}

// drain takes what has arrived.
func drain(c net.PacketConn) {
	c.SetReadDeadline(time.Now().Add(time.Millisecond))
	for {
		if _, _, err := c.ReadFrom(make([]byte, 4096)); err != nil {
			return
		}
	}
}

// The longest lifetime is the operator's, and the client is told what holds.
func TestMaxLifetime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var good relay.Options
		b := memBed(t, setup{options: func(o *relay.Options) { o.MaxLifetime = 700 * time.Second; good = *o }})
		for _, bad := range []time.Duration{-time.Second, 599 * time.Second, 3541 * time.Second, 700500 * time.Millisecond} {
			good.MaxLifetime = bad
			if _, err := relay.New(good); err == nil || !strings.Contains(err.Error(), "MaxLifetime") {
				t.Errorf("%s: %v", bad, err)
			}
		}
		c := b.raw("alice")
		for _, r := range []relaytest.Response{expect(t, 0)(c.Allocate(relaytest.Lifetime(time.Hour))), expect(t, 0)(c.Refresh(time.Hour))} {
			if r.Lifetime != 700*time.Second {
				t.Errorf("granted %s", r.Lifetime)
			}
		}
		began := time.Now()
		if r := b.wait(1)["alice"]; r.Why != relay.EndExpired || r.End.Sub(began).Round(2*time.Second) != 700*time.Second {
			t.Errorf("%s after %s", r.Why, r.End.Sub(began))
		}
	})
}

// What its expiry is to a session that a credential has begun is the operator's
// choice: nothing, or its end, whatever the client refreshes.
func TestCredentialExpires(t *testing.T) {
	for _, ends := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := memBed(t, setup{
				role:    func(r *auth.Role) { r.TTL, r.MaxSession = 20*time.Minute, time.Hour },
				options: func(o *relay.Options) { o.EndExpired = ends },
			})
			c, _ := b.allocated("alice")
			began := time.Now()
			time.Sleep(15 * time.Minute / 2)
			want := 600 * time.Second
			expect(t, 0)(c.Refresh(want))
			time.Sleep(15 * time.Minute / 2)
			if ends {
				want = 5 * time.Minute // what is left
			}
			if r := expect(t, 0)(c.Refresh(600 * time.Second)); r.Lifetime.Round(2*time.Second) != want {
				t.Errorf("ends %t: granted %s at the end", ends, r.Lifetime)
			}
			time.Sleep(6 * time.Minute)
			if !ends {
				expect(t, 0)(c.Refresh(600 * time.Second))
				expect(t, 401)(relaytest.NewClient(b.host(), b.addr, c.User).Allocate())
				return
			}
			r := <-b.ended
			if took := r.End.Sub(began).Round(2 * time.Second); r.Why != relay.EndCredential || took != 20*time.Minute {
				t.Errorf("%s after %s", r.Why, took)
			}
			expect(t, 401)(c.Allocate())
		})
	}
}

func TestMaxSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memBed(t, setup{role: func(r *auth.Role) { r.MaxSession = 30 * time.Minute }})
		b.allocate("alice")
		r := b.wait(1)["alice"]
		if r.Why != relay.EndMaxSession || r.End.Sub(r.Start) < 30*time.Minute || r.End.Sub(r.Start) > 30*time.Minute+time.Second {
			t.Errorf("ended after %s: %s", r.End.Sub(r.Start), r.Why)
		}
	})
}

// A client that refreshes every moment gets no more than is left, and nothing
// past the end.
func TestMaxSessionHoldsAgainstRefreshes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memBed(t, setup{role: func(r *auth.Role) { r.MaxSession = 10 * time.Second }})
		c, _ := b.allocated("mallory")
		began := time.Now()
		for {
			r, err := c.Refresh(600 * time.Second)
			must(t, err)
			left := 10*time.Second - time.Since(began)
			if !r.OK() {
				if r.Code != 437 || left > 0 {
					t.Errorf("refused with %d, %s before the end", r.Code, left)
				}
				break
			}
			if r.Lifetime >= left+time.Second {
				t.Fatalf("granted %s with %s left", r.Lifetime, left)
			}
			time.Sleep(300 * time.Millisecond)
		}
		if r := b.wait(1)["mallory"]; r.Why != relay.EndMaxSession || r.End.Sub(r.Start) > 11*time.Second {
			t.Errorf("ended after %s: %s", r.End.Sub(r.Start), r.Why)
		}
	})
}

// Whoever takes the records may hang: sessions go on, records are lost and
// counted, and the server stops in time, saying so.
func TestRecordsThatNobodyTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		b := memBed(t, setup{options: func(o *relay.Options) { o.Ended = func(relay.Record) { <-hang } }})
		c := b.raw("alice")
		const sessions = 5000 // more than wait in the queue
		for range sessions {
			expect(t, 0)(c.Allocate())
			expect(t, 0)(c.Refresh(0))
		}
		if n := b.server.Stats().RecordsLost; n == 0 || n > sessions-4096 {
			t.Errorf("%d records lost", n)
		}
		began := time.Now()
		b.stop()
		if err := <-b.served; err == nil || time.Since(began) > 6*time.Second {
			t.Errorf("stopped after %s: %v", time.Since(began), err)
		}
		close(b.served)
		close(hang)
	})
}

func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memBed(t, setup{role: func(r *auth.Role) { r.Idle = time.Minute }})
		alice, bob := b.allocate("alice"), b.allocate("bob")
		permit(t, alice, bob)
		permit(t, bob, alice)
		for range 10 {
			time.Sleep(50 * time.Second)
			transfer(t, alice, bob, []byte("alive"))
		}
		r := <-b.ended
		if d := r.End.Sub(r.Start); r.Why != relay.EndIdle || d < 560*time.Second || d > 562*time.Second {
			t.Errorf("ended after %s: %s", d, r.Why)
		}
	})
}
