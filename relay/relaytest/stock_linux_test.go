package relaytest

import (
	"bytes"
	"errors"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestStockPionDiesOfTheKnownPanic makes sure that the crash is the one that
// is known, and that the end of the server is reported.
func TestStockPionDiesOfTheKnownPanic(t *testing.T) {
	if !InNamespace(t, Namespace{Own: []netip.Prefix{publicNet}, StockPion: true}) {
		return
	}
	env, stock := stockEnv(t)
	if r := crashBySend(env); !r.Succeeded {
		t.Fatalf("%+v", r)
	}
	var exit *exec.ExitError
	if err := <-stock.Died(); !errors.As(err, &exit) || exit.ExitCode() != 2 {
		t.Errorf("died of %v, want exit code 2", err)
	}
	for _, want := range []string{"slice bounds out of range", "xoraddr.go"} {
		if !strings.Contains(stock.Stderr(), want) {
			t.Errorf("no %q in\n%s", want, stock.Stderr())
		}
	}
}

// TestClientAgainstStockPion takes the client through a session as it should
// be: without it a failed attack could be the client's fault.
func TestClientAgainstStockPion(t *testing.T) {
	if !InNamespace(t, Namespace{Own: []netip.Prefix{publicNet}, StockPion: true}) {
		return
	}
	env, _ := stockEnv(t)
	peer, err := NewEar(env.NewPeer())
	if err != nil {
		t.Fatal(err)
	}
	alice := NewClient(env.NewConn(), env.Server, env.Alice)

	r, err := alice.Allocate(Lifetime(5 * time.Minute))
	if err != nil || !r.OK() || !r.Signed || r.Lifetime != 5*time.Minute ||
		r.Relayed.Addr() != serverHost || r.Mapped.String() != alice.Conn.LocalAddr().String() {
		t.Fatalf("Allocate: %+v, %v", r, err)
	}
	mustSucceed(t, "Refresh")(alice.Refresh(10 * time.Minute))
	mustSucceed(t, "CreatePermission")(alice.CreatePermission(peer.Addr()))
	roundTrip(t, alice, peer, r.Relayed, 0, alice.Send(peer.Addr(), payload))
	mustSucceed(t, "ChannelBind")(alice.ChannelBind(0x4000, peer.Addr()))
	roundTrip(t, alice, peer, r.Relayed, 0x4000, alice.SendChannel(0x4000, payload))

	if r, err := alice.As(User{"alice", "wrong"}).Refresh(0); err != nil || r.OK() {
		t.Errorf("a wrong password: %s", answer(r, err))
	}
	alice.Timeout /= 4
	if d, err := alice.Receive(); !errors.Is(err, ErrNoAnswer) {
		t.Errorf("received %+v, %v; nothing was sent", d, err)
	}
}

func mustSucceed(t *testing.T, what string) func(Response, error) {
	return func(r Response, err error) {
		t.Helper()
		if err != nil || !r.OK() || !r.Signed {
			t.Fatalf("%s: %s, signed: %t", what, answer(r, err), r.Signed)
		}
	}
}

// roundTrip checks that what c has sent (sent is how that went) arrives at the
// peer, and that the peer's answer comes back, even if c awaits a response
// when it does.
func roundTrip(t *testing.T, c *Client, peer *Ear, relayed netip.AddrPort, channel uint16, sent error) {
	t.Helper()
	if sent != nil {
		t.Fatal(sent)
	}
	if r := reach(c, peer, "", func() error { return nil }); !r.Succeeded {
		t.Fatalf("channel %#x: nothing arrived at the peer: %v", channel, r.Err)
	}
	reply := []byte("and back")
	if err := peer.send(reply, relayed); err != nil {
		t.Fatal(err)
	}
	mustSucceed(t, "Refresh")(c.Refresh(10 * time.Minute))
	d, err := c.Receive()
	if err != nil || d.Channel != channel || !bytes.Equal(d.Payload, reply) || channel == 0 && d.Peer != peer.Addr() {
		t.Fatalf("received %+v, %v", d, err)
	}
}

func TestStockOptions(t *testing.T) {
	good := StockOptions{Listen: serverHost, Relay: serverHost, Realm: "r", Users: []User{{"a", "b"}}}
	if args, err := good.args(); err != nil || len(args) != 4 {
		t.Errorf("%q, %v", args, err)
	}
	for name, spoil := range map[string]func(*StockOptions){
		"no listener":    func(o *StockOptions) { o.Listen = netip.Addr{} },
		"IPv6 relay":     func(o *StockOptions) { o.Relay = netip.IPv6Loopback() },
		"no realm":       func(o *StockOptions) { o.Realm = "" },
		"nobody allowed": func(o *StockOptions) { o.Users = nil },
	} {
		o := good
		spoil(&o)
		if _, err := o.args(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
