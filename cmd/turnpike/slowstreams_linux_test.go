package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pion/stun/v3"

	"turnpike/relay/relaytest"
)

const (
	// strangers are connections that never send a whole message, a quarter of
	// each kind; beside them are clients with an allocation.
	strangers = 4952
	silent    = 50 // have an allocation, and say and hear nothing
	unreading = 50 // have an allocation, and do not read what they are sent

	// slowDeadline is all that a stranger gets; slowMore what a machine under
	// load may take beyond it.
	slowDeadline = 10 * time.Second
	slowMore     = 6 * time.Second
	// slowService is how long a newcomer may wait for an allocation and an echo.
	slowService = 2 * time.Second

	// slowBatch is how many connect before the server has to have taken them: a
	// busy one would let the kernel's queue (somaxconn) run over, and the rest
	// would never reach it.
	slowBatch = 500

	// slowMemory bounds what one more connection adds to the memory of the
	// process.
	slowMemory = 24 << 10
)

// Thousands of connections that say nothing, or too little, or do not listen
// cost little and keep nobody out, and end in time. Those with an allocation
// stay.
func TestSlowStreams(t *testing.T) {
	if !inPublic(t) {
		return
	}
	needFiles(t, strangers+silent+unreading+500)
	// The places for handshakes are enough for all, or half of a ClientHello
	// would be cut off for want of one, and not for its time.
	s, secret := startPublic(t, fmt.Sprintf("streams: {handshake_timeout: %[1]s, first_message_timeout: %[1]s, "+
		"message_timeout: %[1]s, authentication_timeout: %[1]s, write_timeout: 2s, max_handshakes: %[2]d}\n", slowDeadline, strangers))
	bed := &slowBed{t: t, s: s, secret: secret, echo: startEcho(t)}
	bed.checkNewcomers(t) // what the first client costs, the others don't
	before := residentBytes(t, s)
	held := bed.hold(silent)
	deaf := bed.flood(unreading)
	opened := time.Now()
	slow := bed.openStrangers()
	t.Logf("%d connections within %v", len(slow), time.Since(opened))

	bed.checkOpen(strangers + silent) // the deaf may be gone
	bed.checkNewcomers(t)
	bed.checkOpen(strangers + silent)
	each := (residentBytes(t, s) - before) / (strangers + silent + unreading)
	t.Logf("%d bytes a connection", each)
	if each > slowMemory {
		t.Errorf("%d bytes of memory a connection, want %d at most", each, slowMemory)
	}

	bed.checkClosed(slow, opened)
	checkEnd(t, deaf, time.Now().Add(slowMore))
	s.WaitMetric(t, `turnpike_stream_closed_total{reason="write_timeout"}`, unreading)
	for i, c := range held {
		if r, err := c.Refresh(time.Minute); err != nil || !r.OK() {
			t.Errorf("silent client %d: %v %v", i, r, err)
		}
	}
}

// Messages that have a stock pion server spin for ever (relaytest,
// TestStockPionSpinsOnHostileStreams) cost this one nothing: over TCP and TLS,
// before and after authentication, its processor stays idle, others are served,
// and the connections are closed.
func TestHostileStreamsFail(t *testing.T) {
	if !inPublic(t) {
		return
	}
	const conns = 20 // as many allocations as a user may have
	s, secret := startPublic(t, "")
	bed := &slowBed{t: t, s: s, secret: secret}
	for _, over := range []string{"tcp", "tls"} {
		t.Run(over, func(t *testing.T) {
			relaytest.HostileStreamsFail(t, func(t *testing.T) relaytest.StreamEnv {
				return relaytest.StreamEnv{
					Alice: bed.user(), Bob: bed.user(), Conns: conns,
					Dial: func() (net.Conn, error) { return dialPublic(over, publicTURN) },
					CPU:  func() (time.Duration, error) { return relaytest.ProcessCPU(s.cmd.Process.Pid) },
				}
			})
		})
	}
	attacks := float64(2 * len(relaytest.HostileStreams()))
	s.WaitMetric(t, `turnpike_stream_closed_total{reason="not_turn"}`, conns) // no connection begins with ChannelData
	s.WaitMetric(t, `turnpike_stream_closed_total{reason="oversize"}`, (attacks-1)*conns)
}

// dialPublic connects to a server by TCP, or with TLS.
func dialPublic(over string, to netip.AddrPort) (net.Conn, error) {
	if over == "tls" { // trusted by SSL_CERT_FILE
		return tls.Dial("tcp4", to.String(), nil)
	}
	return net.Dial("tcp4", to.String())
}

// openClient is a client of a server over UDP, TCP or TLS.
func openClient(t *testing.T, over string, to netip.AddrPort, user relaytest.User) *relaytest.Client {
	t.Helper()
	if over == "udp" {
		return relaytest.NewClient(relaytest.ListenUDP(t, publicClient(0)), to, user)
	}
	c, err := dialPublic(over, to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return relaytest.NewStreamClient(c, user)
}

// slowBed is a server and what its slow clients need.
type slowBed struct {
	t      *testing.T
	s      *server
	secret string
	echo   netip.AddrPort
	users  int
}

// needFiles makes sure that this process and the server may open so many.
func needFiles(t *testing.T, n uint64) {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Max < n {
		t.Fatalf("this test needs %d open files in each of two processes, and may have %d (%v): raise the limit, ulimit -Hn", n, limit.Max, err)
	}
}

// residentBytes is what the server's process has in memory.
func residentBytes(t *testing.T, s *server) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if kib, found := strings.CutPrefix(line, "VmRSS:"); found {
			n, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(kib), "kB")))
			if err != nil {
				t.Fatal(err)
			}
			return n << 10
		}
	}
	t.Fatalf("no VmRSS in\n%s", status)
	return 0
}

// user is a new one, with a credential as applications make it.
func (b *slowBed) user() relaytest.User {
	b.users++
	name := fmt.Sprintf("%d:user-%d", time.Now().Add(time.Hour).Unix(), b.users)
	mac := hmac.New(sha1.New, []byte(b.secret))
	io.WriteString(mac, name)
	return relaytest.User{Name: name, Password: base64.StdEncoding.EncodeToString(mac.Sum(nil))}
}

// dial connects from the i-th address of clients. options are set before.
func (b *slowBed) dial(i int, options func(fd uintptr)) net.Conn {
	b.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: publicClient(i).AsSlice()}, Timeout: patience}
	if options != nil {
		d.Control = func(_, _ string, raw syscall.RawConn) error { return raw.Control(options) }
	}
	c, err := d.Dial("tcp4", publicTURN.String())
	if err != nil {
		b.t.Fatalf("connection %d: %v", i, err)
	}
	b.t.Cleanup(func() { c.Close() })
	return c
}

// allocate gives the client of a connection an allocation.
func (b *slowBed) allocate(c net.Conn) (*relaytest.Client, relaytest.Response) {
	b.t.Helper()
	client := relaytest.NewStreamClient(c, b.user())
	r, err := client.Allocate()
	if err != nil || !r.OK() {
		b.t.Fatalf("Allocate: %v %v", r, err)
	}
	return client, r
}

// hold opens connections with an allocation, about which nothing more happens.
func (b *slowBed) hold(n int) (held []*relaytest.Client) {
	for i := range n {
		c, _ := b.allocate(b.dial(i, nil))
		held = append(held, c)
	}
	return held
}

// flood opens connections with an allocation that will not be read from, and
// has a peer send to all of them until the test ends.
func (b *slowBed) flood(n int) (deaf []net.Conn) {
	b.t.Helper()
	peer := relaytest.ListenUDP(b.t, publicPeer)
	var to []net.Addr
	for i := range n {
		c := b.dial(i, func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4<<10) })
		client, r := b.allocate(c)
		if r, err := client.CreatePermission(netip.MustParseAddrPort(peer.LocalAddr().String())); err != nil || !r.OK() {
			b.t.Fatalf("CreatePermission: %v %v", r, err)
		}
		deaf, to = append(deaf, c), append(to, net.UDPAddrFromAddrPort(r.Relayed))
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { runFlood(ctx, peer, to) })
	b.t.Cleanup(func() { cancel(); wg.Wait() })
	return deaf
}

// runFlood sends each 4 Mb/s, a fifth of what its session may have, which fills
// the 600 KB that may wait for a client within some 1.2 s.
func runFlood(ctx context.Context, from net.PacketConn, to []net.Addr) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	payload := make([]byte, 1000)
	for {
		for _, addr := range to {
			for range 10 {
				_, _ = from.WriteTo(payload, addr) // what is lost is not missed
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// openStrangers opens connections that never come to a message.
func (b *slowBed) openStrangers() (all []net.Conn) {
	b.t.Helper()
	request, err := stun.Build(stun.TransactionID, stun.BindingRequest)
	if err != nil {
		b.t.Fatal(err)
	}
	hello := clientHello(b.t)
	before := b.s.Metrics(b.t)["turnpike_stream_accepted_total"]
	var drop []net.Conn
	for i := range strangers {
		if i%slowBatch == 0 {
			b.s.WaitMetric(b.t, "turnpike_stream_accepted_total", before+float64(i))
		}
		c := b.dial(i, nil)
		all = append(all, c)
		var first []byte
		switch i % 4 {
		case 1:
			first = request.Raw[:10]
		case 2:
			drop = append(drop, c)
		case 3:
			first = hello[:len(hello)/2]
		}
		if _, err := c.Write(first); err != nil && len(first) > 0 {
			b.t.Fatalf("connection %d: %v", i, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { runDrops(ctx, drop, request.Raw) })
	b.t.Cleanup(func() { cancel(); wg.Wait() })
	return all
}

// runDrops sends a byte a second on each of the connections.
func runDrops(ctx context.Context, to []net.Conn, message []byte) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for i := range message {
		for _, c := range to {
			_, _ = c.Write(message[i : i+1]) // it may have been closed
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// clientHello is what a TLS client begins with.
func clientHello(t *testing.T) []byte {
	t.Helper()
	here, there := net.Pipe()
	var wg sync.WaitGroup
	wg.Go(func() { _ = tls.Client(there, &tls.Config{ServerName: publicTURN.Addr().String()}).Handshake() })
	hello := make([]byte, 4096)
	n, err := here.Read(hello)
	here.Close()
	wg.Wait()
	if err != nil || n < 100 {
		t.Fatalf("a ClientHello of %d bytes: %v", n, err)
	}
	return hello[:n]
}

// checkOpen waits until the server has taken so many connections, which are
// open for the client as soon as the kernel has them.
func (b *slowBed) checkOpen(least float64) {
	b.t.Helper()
	late := time.Now().Add(slowMore)
	for {
		m, open := b.s.Metrics(b.t), 0.0
		for _, state := range []string{"opening", "tcp", "tls"} {
			open += m[fmt.Sprintf("turnpike_stream_connections{state=%q}", state)]
		}
		if open >= least {
			return
		}
		if time.Now().After(late) {
			b.t.Errorf("%v connections are open, want %v", open, least)
			return
		}
	}
}

// startEcho is a peer that sends everything back.
func startEcho(t *testing.T) netip.AddrPort {
	t.Helper()
	conn := relaytest.ListenUDP(t, publicPeer)
	go runEcho(conn)
	return netip.MustParseAddrPort(conn.LocalAddr().String())
}

func runEcho(conn net.PacketConn) {
	buf := make([]byte, 4096)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return // closed
		}
		_, _ = conn.WriteTo(buf[:n], from)
	}
}

// checkNewcomers has a client of each transport connect, allocate and hear a
// peer.
func (b *slowBed) checkNewcomers(t *testing.T) {
	t.Helper()
	for _, over := range []string{"udp", "tcp", "tls"} {
		begin := time.Now()
		if err := b.newcomer(over); err != nil {
			t.Errorf("a newcomer over %s: %v", over, err)
		}
		if took := time.Since(begin); took > slowService {
			t.Errorf("a newcomer over %s is served after %v, want %v at most", over, took, slowService)
		}
	}
}

func (b *slowBed) newcomer(over string) error {
	var client *relaytest.Client
	if over == "udp" {
		client = relaytest.NewClient(relaytest.ListenUDP(b.t, publicClient(0)), publicTURN, b.user())
	} else {
		c := b.dial(0, nil)
		if over == "tls" { // trusted by SSL_CERT_FILE
			c = tls.Client(c, &tls.Config{ServerName: publicTURN.Addr().String()})
		}
		client = relaytest.NewStreamClient(c, b.user())
	}
	payload := "heard by way of " + over + "!" // whole words (RFC 8656 §12.5)
	for _, step := range []func() (relaytest.Response, error){
		func() (relaytest.Response, error) { return client.Allocate() },
		func() (relaytest.Response, error) { return client.ChannelBind(0x4000, b.echo) },
	} {
		if r, err := step(); err != nil || !r.OK() {
			return fmt.Errorf("%v %w", r, err)
		}
	}
	if err := client.SendChannel(0x4000, []byte(payload)); err != nil {
		return err
	}
	d, err := client.Receive()
	if err == nil && string(d.Payload) != payload {
		err = fmt.Errorf("heard %q", d.Payload)
	}
	return err
}

// checkClosed checks that the server closes the strangers' connections in time,
// and for which reasons it says it did.
func (b *slowBed) checkClosed(slow []net.Conn, opened time.Time) {
	b.t.Helper()
	checkEnd(b.t, slow, opened.Add(slowDeadline+slowMore))
	b.t.Logf("all closed after %v", time.Since(opened))
	const half = strangers / 2 // silent and half a ClientHello; half a header and a byte a second
	b.s.WaitMetric(b.t, `turnpike_stream_closed_total{reason="handshake_timeout"}`, half)
	m := b.s.Metrics(b.t)
	frames := m[`turnpike_stream_closed_total{reason="first_frame"}`] + m[`turnpike_stream_closed_total{reason="frame_timeout"}`] +
		m[`turnpike_stream_closed_total{reason="unauthenticated"}`]
	if frames < half {
		b.t.Errorf("%v connections closed for want of a message, want %v", frames, half)
	}
}

// checkEnd reads connections to their end, which must be the server's doing.
func checkEnd(t *testing.T, all []net.Conn, late time.Time) {
	t.Helper()
	open := 0
	for _, c := range all {
		if err := c.SetReadDeadline(late); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
			open++
		}
	}
	if open > 0 {
		t.Errorf("%d of %d connections are open after their time", open, len(all))
	}
}
