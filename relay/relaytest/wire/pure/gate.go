package pure

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"turnpike/auth"
	"turnpike/pkg/netpolicy"
	"turnpike/ratelimit"
	"turnpike/relay/dataplane"
	"turnpike/relay/gate"
	"turnpike/relay/relaytest/wire"
)

// What the servers of the table are configured with.
const (
	Realm  = "example.org"
	Secret = "0f8Kq2Vn7xLw4Zr9Tb1Ym6Cd3Hs5Jg0PqRuEiAo" // shared with an application
)

// NonceKey is the key of nonces.
var NonceKey = []byte("wire-9Tb1Ym6Cd3Hs5Jg0PqRuEiAo4Zr")

// Users are the credentials that an application makes of Secret.
func Users(now time.Time) map[wire.Who]wire.User {
	user := func(form string, expires time.Time) wire.User {
		name := strings.Replace(form, "EXPIRY", strconv.FormatInt(expires.Unix(), 10), 1)
		mac := hmac.New(sha1.New, []byte(Secret))
		mac.Write([]byte(name))
		return wire.User{Name: name, Password: base64.StdEncoding.EncodeToString(mac.Sum(nil))}
	}
	late := now.Add(time.Hour)
	return map[wire.Who]wire.User{
		wire.Alice: user("EXPIRY:alice", late), wire.Bob: user("EXPIRY:bob", late),
		wire.Expired: user("EXPIRY:alice", now.Add(-time.Minute)),
		wire.Jitsi:   user("EXPIRY", late), wire.Synapse: user("EXPIRY:@alice:example.org", late), wire.Swapped: user("alice:EXPIRY", late),
	}
}

// newGate makes a gate as a server has it by default, but for the limits.
func newGate(sessions func(dataplane.Client) (gate.Session, bool), change func(*gate.Options)) (*gate.Gate, error) {
	secret, err := auth.ParseSecret(Secret)
	if err != nil {
		return nil, err
	}
	ring, err := auth.NewKeyring(auth.Options{Shared: []auth.Shared{{ID: "app", Secret: secret}}})
	if err != nil {
		return nil, err
	}
	verifier, err := auth.NewVerifier(ring, Realm)
	if err != nil {
		return nil, err
	}
	plenty := ratelimit.Rate{PerSecond: 1, Burst: 1 << 20} // the clock stands still
	budget, err := ratelimit.NewBudget(ratelimit.BudgetOptions{Source: plenty, Network: plenty, All: plenty})
	if err != nil {
		return nil, err
	}
	failures, err := ratelimit.NewLimiter(ratelimit.Options{PerSecond: 1, Burst: 1 << 20, Scope: ratelimit.Port})
	if err != nil {
		return nil, err
	}
	policy, err := netpolicy.New(netpolicy.Options{
		HostAddrs: []netip.Addr{relay, relayIPv6}, RelayAddrs: []netip.Addr{relay, relayIPv6}, Own: []netip.AddrPort{wire.Listener, wire.ListenerIPv6}})
	if err != nil {
		return nil, err
	}
	o := gate.Options{
		Realm: Realm, NonceKey: NonceKey, Verifier: verifier, Replies: budget, Bindings: budget, Failures: failures,
		Sessions: sessions,
		Peer: func(_ string, a netip.AddrPort) netpolicy.Verdict {
			return policy.Peer(a, func(netip.AddrPort) bool { return false })
		},
		Permission: func(_ string, a netip.Addr) netpolicy.Verdict { return policy.Permission(a) },
	}
	change(&o)
	return gate.New(o)
}

var transports = map[wire.Over]gate.Transport{wire.UDP: gate.UDP, wire.TCP: gate.TCP, wire.TLS: gate.TLS}

// Nonces makes nonces as a server with NonceKey has made them at another time.
func Nonces(now func() time.Time) (func(over wire.Over, client netip.AddrPort, seconds int) string, error) {
	g, err := newGate(newOffice(wire.Usual).session, func(*gate.Options) {})
	if err != nil {
		return nil, err
	}
	return func(over wire.Over, client netip.AddrPort, seconds int) string {
		at := now().Add(-time.Duration(seconds) * time.Second)
		v := g.Judge(gate.Packet{Client: dataplane.Client{Addr: client}, Transport: transports[over], Data: smallest}, at, nil)
		_, nonce, _ := bytes.Cut(v.Reply, []byte{0x00, 0x15, 0x00, 16})
		return string(nonce)
	}, nil
}

// smallest is an Allocate without credentials; NONCE ends its answer.
var smallest = binary.BigEndian.AppendUint64([]byte("\x00\x03\x00\x08\x21\x12\xA4\x42transaction!"), 0x0019_0004_1100_0000)
