package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"turnpike/pkg/probe"
	"turnpike/relay/relaytest"
)

// pinger is a live session that sends to the echo and waits for it, again and
// again.
type pinger struct {
	*relaytest.Client
	over  string
	sent  uint64
	heard atomic.Int64 // Unix nanoseconds of the last echo
	count atomic.Uint64
	lost  atomic.Uint64
}

// pingers are one session of each transport, over a channel to the echo.
func pingers(t *testing.T, bed *slowBed) (all []*pinger) {
	t.Helper()
	for _, over := range []string{"udp", "tcp", "tls"} {
		conn, err := scriptDial(over, publicTURN)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		p := &pinger{Client: relaytest.NewClient(conn, publicTURN, bed.user()), over: over}
		p.Timeout = patience
		if r, err := p.Allocate(); err != nil || !r.OK() {
			t.Fatalf("%s: Allocate: %v %v", over, r, err)
		}
		p.bind(t, bed, 0)
		all = append(all, p)
	}
	return all
}

func (p *pinger) bind(t *testing.T, bed *slowBed, code int) {
	t.Helper()
	if r, err := p.ChannelBind(0x4000, bed.echo); err != nil || r.Code != code {
		t.Errorf("%s: ChannelBind: %v %v, want %d", p.over, r, err, code)
	}
}

// run pings until ctx ends, or an echo is not heard for a while.
func (p *pinger) run(ctx context.Context) error {
	for ctx.Err() == nil {
		p.sent++
		ping := binary.BigEndian.AppendUint64(nil, p.sent)
		if err := p.SendChannel(0x4000, ping); err != nil {
			return err
		}
		d, err := p.Receive()
		if errors.Is(err, relaytest.ErrNoAnswer) {
			p.lost.Add(1)
			return nil
		}
		if err != nil || !bytes.Equal(d.Payload, ping) {
			return fmt.Errorf("%s: heard %x of %x: %w", p.over, d.Payload, ping, err)
		}
		p.count.Add(1)
		p.heard.Store(time.Now().UnixNano())
	}
	return nil
}

// runPingers has all of them ping, each until its run is over.
func runPingers(ctx context.Context, t *testing.T, all []*pinger) *sync.WaitGroup {
	running := new(sync.WaitGroup)
	for _, p := range all {
		running.Go(func() {
			if err := p.run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	return running
}

// edit replaces text in the configuration of a server.
func edit(t *testing.T, s *server, old, text string) {
	t.Helper()
	file := s.cmd.Args[len(s.cmd.Args)-1]
	now, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(now), old) {
		t.Fatalf("no %q in the configuration", old)
	}
	next := file + ".next" // as editors do: the server never sees half of it
	if err := os.WriteFile(next, []byte(strings.Replace(string(now), old, text, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, file); err != nil {
		t.Fatal(err)
	}
}

// An edit of the policy holds within a second for live sessions over UDP, TCP
// and TLS, on both data planes: what it denies falls silent, is refused with 403,
// and comes back to who asks again when it is allowed again.
func TestEditIsObeyed(t *testing.T) {
	if !inPublic(t) {
		return
	}
	for _, plane := range []string{planeStd, planeMMSG} {
		t.Run(plane, func(t *testing.T) {
			const open, shut = "policy: {deny: [198.51.101.0/24]}", "policy: {deny: [198.51.101.0/24, 93.184.216.2/32]}"
			s, secret := startPublic(t, "data_plane: "+plane+"\n"+open+"\n")
			bed := &slowBed{t: t, s: s, secret: secret, echo: startEcho(t)}
			all := pingers(t, bed)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			for _, p := range all {
				p.Timeout = time.Second
			}
			running := runPingers(ctx, t, all)
			for _, p := range all {
				for deadline := time.Now().Add(patience); p.count.Load() < 100; {
					if time.Now().After(deadline) {
						t.Fatalf("%s: %d echoes", p.over, p.count.Load())
					}
					time.Sleep(time.Millisecond)
				}
			}
			edited := time.Now()
			edit(t, s, open, shut)
			running.Wait() // until an echo is not heard
			for _, p := range all {
				took := time.Duration(p.heard.Load() - edited.UnixNano())
				t.Logf("%s: silent %v after the edit, %d echoes before", p.over, took.Round(time.Millisecond), p.count.Load())
				if took > time.Second {
					t.Errorf("%s: still relayed %v after the edit", p.over, took)
				}
				p.Timeout = patience
				p.bind(t, bed, 403)
			}
			edit(t, s, shut, open)
			s.WaitMetric(t, "turnpike_policy_generation", 3)
			for _, p := range all {
				p.bind(t, bed, 0)
			}
			again, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer stop()
			for _, p := range all {
				before := p.count.Load()
				if err := p.run(again); err != nil || p.lost.Load() != 1 {
					t.Errorf("%s: after it was opened again: %v, %d lost, %d heard", p.over, err, p.lost.Load()-1, p.count.Load()-before)
				}
			}
		})
	}
}

// Clients that an edit denies are cut off, over UDP, TCP and TLS, and heard no
// more; who may not ask the issuer is not answered.
func TestDeniedByEdit(t *testing.T) {
	if !inPublic(t) {
		return
	}
	const open, shut = "policy: {deny: [198.51.101.0/24]}",
		"policy: {deny: [198.51.101.0/24], clients: {deny: [93.184.216.64/26]}, issuer_clients: {deny: [93.184.216.1]}}"
	s, secret := startPublic(t, open+"\n")
	bed := &slowBed{t: t, s: s, secret: secret, echo: startEcho(t)}
	denied, other := netip.MustParseAddr("93.184.216.77"), netip.MustParseAddr("93.184.216.20")
	clients := map[string]*relaytest.Client{}
	for _, over := range []string{"udp", "tcp", "tls"} {
		clients[over] = allocateFrom(t, bed, over, denied)
	}
	stays := allocateFrom(t, bed, "udp", other)
	s.Credential(t, "alice", time.Minute)
	edit(t, s, open, shut)
	for range clients {
		s.WaitRecord(t, "a denied client", func(r record) bool { return r.Reason == "client_denied" && r.Client.Addr() == denied })
	}
	clients["udp"].Timeout = 200 * time.Millisecond
	if r, err := clients["udp"].Allocate(); !errors.Is(err, relaytest.ErrNoAnswer) {
		t.Errorf("a denied client is answered: %v %v", r, err)
	}
	for _, over := range []string{"tcp", "tls"} {
		if r, err := clients[over].Refresh(600 * time.Second); err == nil {
			t.Errorf("a denied connection over %s is answered: %v", over, r)
		}
		if conn, err := dialFrom(over, denied); err == nil {
			t.Cleanup(func() { conn.Close() })
			if r, err := relaytest.NewClient(conn, publicTURN, bed.user()).Allocate(); err == nil {
				t.Errorf("a denied client that connects over %s is answered: %v", over, r)
			}
		}
	}
	if r, err := stays.Refresh(600 * time.Second); err != nil || !r.OK() {
		t.Errorf("another client: %v %v", r, err)
	}
	if resp, err := http.Get(s.Issuer + "/"); err == nil {
		resp.Body.Close()
		t.Errorf("the issuer answers who may not ask: %s", resp.Status)
	}
	s.WaitMetric(t, `turnpike_dropped_packets_total{reason="client_denied",stage="control"}`, 1)
}

// allocateFrom has a client at an address allocate.
func allocateFrom(t *testing.T, bed *slowBed, over string, from netip.Addr) *relaytest.Client {
	t.Helper()
	conn, err := dialFrom(over, from)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c := relaytest.NewClient(conn, publicTURN, bed.user())
	c.Timeout = patience
	if r, err := c.Allocate(); err != nil || !r.OK() {
		t.Fatalf("%s from %v: Allocate: %v %v", over, from, r, err)
	}
	return c
}

// dialFrom is scriptDial from an address.
func dialFrom(over string, from netip.Addr) (net.PacketConn, error) {
	if over == "udp" {
		return net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0)))
	}
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), Timeout: patience}
	conn, err := d.Dial("tcp", publicTURN.String())
	if err == nil && over == "tls" {
		conn = tls.Client(conn, scriptTLS)
	}
	return scriptStream{conn}, err
}

// A thousand reloads beside live sessions lose none of their datagrams, and leave
// no goroutine or descriptor behind.
func TestThousandReloads(t *testing.T) {
	if !inPublic(t) {
		return
	}
	const reloads = 1000
	policies := [2]string{"policy: {deny: [198.51.102.0/24]}", "policy: {deny: [198.51.101.0/24]}"}
	s, secret := startPublic(t, policies[0]+"\n")
	bed := &slowBed{t: t, s: s, secret: secret, echo: startEcho(t)}
	all := pingers(t, bed)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	running := runPingers(ctx, t, all)
	at := strings.TrimSuffix(s.MetricsURL, "/metrics")
	reloadOnce := func(i int) {
		edit(t, s, policies[i%2], policies[(i+1)%2])
		if body, err := probe.Post(ctx, at, "/reload"); err != nil || !bytes.Contains(body, []byte(`"refused":[]`)) {
			t.Fatalf("reload %d: %v %s", i, err, body)
		}
	}
	for i := range 10 { // what the first ones cost, the others don't
		reloadOnce(i)
	}
	before := s.Metrics(t)
	for i := 10; i < reloads; i++ {
		reloadOnce(i)
	}
	after := s.Metrics(t)
	cancel()
	running.Wait()
	for _, p := range all {
		t.Logf("%s: %d echoes", p.over, p.count.Load())
		if p.lost.Load() > 0 || p.count.Load() == 0 {
			t.Errorf("%s: %d lost, %d heard", p.over, p.lost.Load(), p.count.Load())
		}
	}
	if n := after["turnpike_policy_generation"]; n != reloads+1 {
		t.Errorf("policy %v is in force after %d reloads", n, reloads)
	}
	for _, gauge := range []string{"go_goroutines", "process_open_fds"} {
		t.Logf("%s: %v, %v", gauge, before[gauge], after[gauge])
		if after[gauge] > before[gauge]+10 {
			t.Errorf("%s: %v before, %v after", gauge, before[gauge], after[gauge])
		}
	}
}

// reload returns when the server has what its files say: it may have seen an edit
// by itself already.
func reload(t *testing.T, s *server) {
	t.Helper()
	out, err := exec.Command(os.Getenv(binaryEnv), "reload", strings.TrimSuffix(s.MetricsURL, "/metrics")).CombinedOutput()
	if err != nil {
		t.Fatalf("turnpike reload: %v\n%s", err, out)
	}
}
