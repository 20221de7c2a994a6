package main

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"turnpike/relay/relaytest"
)

// scriptTLS takes any certificate: presents is what compares them.
var scriptTLS = &tls.Config{InsecureSkipVerify: true}

// client opens a client's socket. Its credential is the issuer's answer in a
// .json file, or signed with a secret that an application has too. With sha256 it
// is a client of RFC 8489.
func scriptClient(ts *testscript.TestScript, neg bool, args []string) {
	scriptArgs(ts, !neg && (len(args) == 4 || len(args) == 5 && args[4] == "sha256"), "client NAME udp|tcp|tls SERVER FILE [sha256]")
	name, over, server := args[0], args[1], netip.MustParseAddrPort(args[2])
	var user relaytest.User
	if text := ts.ReadFile(args[3]); strings.HasSuffix(args[3], ".json") {
		var answer struct{ Username, Password string }
		ts.Check(json.Unmarshal([]byte(text), &answer))
		user = relaytest.User{Name: answer.Username, Password: answer.Password}
	} else {
		user.Name = fmt.Sprintf("%d:%s", time.Now().Add(time.Hour).Unix(), name)
		mac := hmac.New(sha1.New, []byte(strings.TrimSuffix(text, "\n")))
		io.WriteString(mac, user.Name)
		user.Password = base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	bed := scriptBedOf(ts)
	conn, err := scriptDial(over, server)
	ts.Check(err)
	bed.opened = append(bed.opened, conn)
	bed.clients[name] = relaytest.NewClient(conn, server, user)
	bed.clients[name].Timeout = patience
	bed.clients[name].SHA256 = len(args) == 5
}

func scriptDial(over string, server netip.AddrPort) (net.PacketConn, error) {
	if over == "udp" {
		return net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(server.Addr(), 0)))
	}
	conn, err := net.DialTimeout("tcp", server.String(), patience)
	if err == nil && over == "tls" {
		conn = tls.Client(conn, scriptTLS)
	}
	return scriptStream{conn}, err
}

// scriptStream is a TCP or TLS connection with a packet a message (RFC 8656 §2.1).
type scriptStream struct{ net.Conn }

func (s scriptStream) WriteTo(b []byte, _ net.Addr) (int, error) { return s.Write(b) }

func (s scriptStream) ReadFrom(b []byte) (int, net.Addr, error) {
	if _, err := io.ReadFull(s, b[:4]); err != nil {
		return 0, nil, err
	}
	rest := 16 + int(binary.BigEndian.Uint16(b[2:])) // STUN
	if b[0]>>6 == 1 {
		rest = (rest - 16 + 3) &^ 3 // ChannelData, padded (RFC 8656 §12.5)
	}
	n, err := io.ReadFull(s, b[4:4+rest])
	return 4 + n, s.RemoteAddr(), err
}

// allocate asks for a relay: it has to be granted, or refused with that code.
func scriptAllocate(ts *testscript.TestScript, neg bool, args []string) {
	scriptArgs(ts, !neg && (len(args) == 1 || len(args) == 2), "allocate CLIENT [CODE|PREFIX]")
	r, err := scriptBedOf(ts).clients[args[0]].Allocate()
	ts.Check(err)
	got := strconv.Itoa(r.Code)
	if r.OK() {
		got = r.Relayed.String()
		ts.Setenv(args[0], got)
	}
	if want := args[1:]; len(want) == 0 && !r.OK() || len(want) == 1 && !strings.HasPrefix(got, want[0]) {
		ts.Fatalf("Allocate: %s, want %v", got, want)
	}
}

// reallocate asks for a relay until it is granted: a node that was told of a full
// quota believes it for a second.
func scriptReallocate(ts *testscript.TestScript, neg bool, args []string) {
	scriptArgs(ts, !neg && len(args) == 1, "reallocate CLIENT")
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for late := time.After(patience); ; {
		r, err := scriptBedOf(ts).clients[args[0]].Allocate()
		ts.Check(err)
		if r.OK() {
			ts.Setenv(args[0], r.Relayed.String())
			return
		}
		select {
		case <-again.C:
		case <-late:
			ts.Fatalf("Allocate: %s", r)
		}
	}
}

// refresh asks for seconds more; 0 ends the allocation.
func scriptRefresh(ts *testscript.TestScript, neg bool, args []string) {
	scriptArgs(ts, !neg && len(args) == 2, "refresh CLIENT SECONDS")
	seconds, err := time.ParseDuration(args[1] + "s")
	ts.Check(err)
	r, err := scriptBedOf(ts).clients[args[0]].Refresh(seconds)
	ts.Check(err)
	if !r.OK() {
		ts.Fatalf("Refresh: %s", r)
	}
}

// bind asks for a channel: it has to be granted, or refused with that code.
func scriptBind(ts *testscript.TestScript, neg bool, args []string) {
	scriptArgs(ts, !neg && (len(args) == 2 || len(args) == 3), "bind CLIENT PEER [CODE]")
	r, err := scriptBedOf(ts).clients[args[0]].ChannelBind(0x4000, netip.MustParseAddrPort(args[1]))
	ts.Check(err)
	if want := args[2:]; r.OK() != (len(want) == 0) || !r.OK() && want[0] != strconv.Itoa(r.Code) {
		ts.Fatalf("ChannelBind: %s, want %v", r, want)
	}
}

// relay sends from one client's allocation to another's.
func scriptRelay(ts *testscript.TestScript, neg bool, args []string) {
	scriptArgs(ts, !neg && len(args) == 2, "relay FROM TO")
	from, to := scriptBedOf(ts).clients[args[0]], scriptBedOf(ts).clients[args[1]]
	at := func(name string) netip.AddrPort { return netip.MustParseAddrPort(ts.Getenv(name)) }
	for _, permit := range []struct {
		client *relaytest.Client
		peer   netip.AddrPort
	}{{from, at(args[1])}, {to, at(args[0])}} {
		if r, err := permit.client.CreatePermission(permit.peer); err != nil || !r.OK() {
			ts.Fatalf("CreatePermission: %s %v", r, err)
		}
	}
	ts.Check(from.Send(at(args[1]), []byte("hello")))
	if d, err := to.Receive(); err != nil || string(d.Payload) != "hello" || d.Peer != at(args[0]) {
		ts.Fatalf("%s got %+v, %v", args[1], d, err)
	}
}

// nat is a 1:1 NAT for UDP in front of a server: what comes to LISTEN goes on
// from OUTSIDE, and the answers come back.
func scriptNAT(ts *testscript.TestScript, neg bool, args []string) {
	scriptArgs(ts, !neg && len(args) == 3, "nat LISTEN OUTSIDE SERVER")
	inside, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(args[0])))
	ts.Check(err)
	outside, err := net.DialUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(args[1])),
		net.UDPAddrFromAddrPort(netip.MustParseAddrPort(args[2])))
	ts.Check(err)
	bed := scriptBedOf(ts)
	bed.opened = append(bed.opened, inside, outside)
	go scriptRunNAT(inside, outside)
}

// scriptRunNAT carries one request and one answer at a time.
func scriptRunNAT(inside, outside *net.UDPConn) {
	b := make([]byte, 1500)
	for {
		n, client, err := inside.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		if _, err := outside.Write(b[:n]); err != nil {
			return
		}
		if n, err = outside.Read(b); err != nil {
			return
		}
		if _, err := inside.WriteToUDPAddrPort(b[:n], client); err != nil {
			return
		}
	}
}

// proxy is a load balancer for one connection: it says to SERVER that it comes
// from CLIENT (the PROXY protocol, version 2).
func scriptProxy(ts *testscript.TestScript, neg bool, args []string) {
	scriptArgs(ts, !neg && len(args) == 3, "proxy LISTEN SERVER CLIENT")
	l, err := net.Listen("tcp4", args[0])
	ts.Check(err)
	client, server := netip.MustParseAddrPort(args[2]), netip.MustParseAddrPort(args[1])
	header := []byte("\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c") // PROXY, TCP over IPv4, 12 bytes follow
	header = append(append(header, client.Addr().AsSlice()...), server.Addr().AsSlice()...)
	header = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(header, client.Port()), server.Port())
	back, err := net.Dial("tcp4", args[1])
	ts.Check(err)
	_, err = back.Write(header)
	ts.Check(err)
	bed := scriptBedOf(ts)
	bed.opened = append(bed.opened, l, back)
	go scriptRunProxy(l, back)
}

func scriptRunProxy(l net.Listener, back net.Conn) {
	front, err := l.Accept()
	if err != nil {
		return
	}
	defer front.Close()
	go func() {
		defer back.Close()
		_, _ = io.Copy(back, front) // until either side is closed
	}()
	_, _ = io.Copy(front, back)
}
