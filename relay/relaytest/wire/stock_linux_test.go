package wire_test

import (
	"errors"
	"flag"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"turnpike/relay/relaytest"
	"turnpike/relay/relaytest/wire"
)

// updateEnv carries -update into the namespace.
const updateEnv = "TURNPIKE_TEST_UPDATE_STOCK"

var update = flag.Bool("update", false, "write stock.tsv anew")

// The negative control: stock pion/turn v4.1.4 plays every case, and must fail
// those that the page says it fails, in the same way, and no others.
func TestStockPion(t *testing.T) {
	if *update {
		t.Setenv(updateEnv, "1")
	}
	if !relaytest.InNamespace(t, relaytest.Namespace{Own: []netip.Prefix{netip.MustParsePrefix("93.184.216.0/24")}, StockPion: true}) {
		return
	}
	want, err := wire.StockDeviations()
	if err != nil {
		t.Fatal(err)
	}
	var lines strings.Builder
	for i, c := range wire.Cases() {
		t.Run(c.Key(), func(t *testing.T) {
			got := playStock(t, &c.Case, i)
			if got != "" {
				lines.WriteString(c.Key() + "\t" + got + "\n")
			}
			if got != want[c.Key()] && os.Getenv(updateEnv) == "" {
				t.Errorf("%q, want %q; if that is right: go test -run TestStockPion -update", got, want[c.Key()])
			}
			delete(want, c.Key())
		})
	}
	if os.Getenv(updateEnv) != "" {
		if err := os.WriteFile("stock.tsv", []byte(lines.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	for key := range want {
		t.Errorf("stock.tsv has %q, which is no case", key)
	}
}

// playStock plays a case against a server of its own, and returns how that
// deviates.
func playStock(t *testing.T, c *wire.Case, number int) string {
	t.Helper()
	if c.Setting == wire.Full || c.Setting == wire.Draining || c.Setting == wire.IPv6 {
		return wire.NotAsked
	}
	users := map[wire.Who]wire.User{
		wire.Alice: {Name: "1800003600:alice", Password: "wonderland"}, wire.Bob: {Name: "1800003600:bob", Password: "builder"},
		wire.Jitsi: {Name: "1800003600", Password: "p"}, wire.Synapse: {Name: "1800003600:@alice:example.org", Password: "p"}, wire.Swapped: {Name: "alice:1800003600", Password: "p"},
	}
	var known []relaytest.User
	for _, u := range users {
		known = append(known, relaytest.User(u))
	}
	users[wire.Expired] = wire.User{Name: "1799999940:alice", Password: "wonderland"} // one that it does not know
	stock := relaytest.StockPion(t, relaytest.StockOptions{
		Listen: wire.Listener.Addr(), Relay: wire.Listener.Addr(), Realm: "example.org",
		Users: known,
	})
	const patience = time.Second // spent where it does not answer even a Binding
	s := &wire.Server{
		Realm: "example.org", Relay: wire.Listener.Addr(), Stock: true, Users: users,
		Dial: wire.Dialer(stock.Addr, nil, patience), Patience: patience,
		Peer: func(at netip.AddrPort) (net.PacketConn, error) {
			return net.ListenUDP("udp4", net.UDPAddrFromAddrPort(at))
		},
	}
	over := wire.UDP
	if !c.Runs(over) {
		over = wire.TCP
	}
	if !c.Runs(over) {
		return wire.NotAsked // it has no TLS
	}
	_, err := c.Run(s, over, number)
	var deviation *wire.Deviation
	switch {
	case err == nil:
		return ""
	case errors.As(err, &deviation):
		return deviation.What
	case errors.Is(err, wire.ErrUnable):
		return wire.NotAsked
	}
	t.Errorf("%v; it died: %v\n%s", err, stock.HasDied(), stock.Stderr())
	return err.Error()
}
