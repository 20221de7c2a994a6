package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"turnpike/pkg/probe"
	"turnpike/relay/relaytest"
)

// proofEnv asks for many rounds of what else is done once.
const proofEnv = "TURNPIKE_PROOF"

func inProof() bool { return os.Getenv(proofEnv) != "" }

// fleetSecret is what an application shares with all nodes.
const fleetSecret = "2f1d6c0e9b8a47535e6f80917263a4b5c6d7e8f901122334"

// fleetNet is where the nodes are: clients have public addresses of their own.
var fleetNet = netip.MustParsePrefix("93.184.217.0/24")

// nodeConfig is one node of a fleet.
type nodeConfig struct {
	n      int    // its number, of all in the network
	redis  string // section store.redis, without its braces
	prefix string // of the fleet's keys
	lease  time.Duration
	role   string // more of the role default
	limits string // more of the limits

	credentials string // more of the credentials
	drain       time.Duration
	more        string
}

// node is a process of its own.
type node struct {
	*server
	at       netip.AddrPort
	operator string
}

func (c nodeConfig) start(t *testing.T) *node {
	t.Helper()
	if c.lease == 0 {
		c.lease = 85 * time.Second // the default
	}
	a := fleetNet.Addr().As4()
	a[3] = byte(1 + c.n)
	n := &node{at: netip.AddrPortFrom(netip.AddrFrom4(a), 3478), operator: fmt.Sprintf("http://127.0.0.1:%d", 3500+c.n)}
	file := filepath.Join(t.TempDir(), "turnpike.yaml")
	badConfigCheck(t, os.WriteFile(file, fmt.Appendf(nil, `version: 1
listen: [{address: "%s", transports: [udp]}]
relay: {addresses: [{bind: %s}]}
operator: {listen: ["%s"]}
drain: {timeout: %v}
credentials: {shared_secrets: [{id: app, secret: %s}], %s}
roles: [{id: default, %s}]
store: {kind: redis, node: n%d, lease: %v, redis: {%s, prefix: "%s"}}
limits: {challenges_per_second: 100000, challenges_burst: 100000, network_challenges_per_second: 100000, network_challenges_burst: 100000, %s}
%s`, n.at, n.at.Addr(), strings.TrimPrefix(n.operator, "http://"), c.drain, fleetSecret, c.credentials, c.role, c.n, c.lease, c.redis, c.prefix, c.limits, c.more), 0o600))
	n.server = serveConfigured(t, file)
	n.MetricsURL = n.operator + "/metrics"
	return n
}

// kill ends the process without a word.
func (n *node) kill(t *testing.T) {
	t.Helper()
	n.stop.Do(func() { // what Stop wants did not happen
		badConfigCheck(t, n.cmd.Process.Kill())
		<-n.exited
	})
}

// usage is what the node says that a user has used this month.
func (n *node) usage(t *testing.T, user string) (bytes int64, err error) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	body, err := probe.Do(ctx, http.MethodGet, n.operator, "/usage?user="+user, nil)
	if err != nil {
		return 0, err
	}
	var u used
	err = json.Unmarshal(body, &u)
	return u.Bytes, err
}

// fleetClient is a client that nobody else shares an address and port with.
func fleetClient(t *testing.T, i int, to *node, user string) *relaytest.Client {
	t.Helper()
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(publicClient(i), 0)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c := relaytest.NewClient(conn, to.at, fleetUser(user))
	c.Timeout = 5 * time.Second // a strict limit takes 200 ms, and this machine its time
	return c
}

func fleetUser(name string) relaytest.User {
	return minted(fleetSecret, fmt.Sprintf("%d:%s", time.Now().Add(time.Hour).Unix(), name))
}

// hold takes an allocation that has to be granted, within the patience of a test:
// a node that has just started does not believe an empty store.
func hold(t *testing.T, c *relaytest.Client) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		r, err := c.Allocate()
		if err == nil && r.OK() {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%v: no allocation: %v, %v", c.Server, r.Code, err)
		}
	}
}

// fleetCall is a session that goes on: its datagrams come back from a peer.
type fleetCall struct {
	client     *relaytest.Client
	sent, lost atomic.Int64
	bytes      int64 // carried, both directions, once it has ended
	cancel     context.CancelFunc
	ended      sync.WaitGroup
	failed     error
}

// echo sends everything back until the test ends.
func echo(t *testing.T) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(publicPeer, 0)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		b := make([]byte, 2048)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			if _, err := conn.WriteToUDPAddrPort(b[:n], from); err != nil {
				return
			}
		}
	}()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// startCall holds an allocation and relays a datagram every few milliseconds.
func startCall(t *testing.T, c *relaytest.Client, peer netip.AddrPort) *fleetCall {
	t.Helper()
	hold(t, c)
	if r, err := c.ChannelBind(0x4000, peer); err != nil || !r.OK() {
		t.Fatalf("ChannelBind: %v %v", r.Code, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	x := &fleetCall{client: c, cancel: cancel}
	x.ended.Go(func() { x.run(ctx) })
	t.Cleanup(func() { cancel(); x.ended.Wait() })
	return x
}

func (x *fleetCall) run(ctx context.Context) {
	payload := make([]byte, 1000)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		<-tick.C
		x.sent.Add(1)
		if x.failed = x.client.SendChannel(0x4000, payload); x.failed != nil {
			return
		}
		x.bytes += int64(len(payload))
		switch _, err := x.client.Receive(); {
		case err == nil:
			x.bytes += int64(len(payload))
		case errors.Is(err, relaytest.ErrNoAnswer):
			x.lost.Add(1)
		default:
			x.failed = err
			return
		}
	}
}

// end ends the session and tells how many of its datagrams did not come back.
func (x *fleetCall) end(t *testing.T) (lost int64) {
	t.Helper()
	x.cancel()
	x.ended.Wait()
	if x.failed != nil {
		t.Fatal(x.failed)
	}
	if r, err := x.client.Refresh(0); err != nil || !r.OK() {
		t.Errorf("Refresh 0: %v, %v", r.Code, err)
	}
	if x.sent.Load() < 50 {
		t.Errorf("only %d datagrams in the whole call", x.sent.Load())
	}
	return x.lost.Load()
}
