package load

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/pion/logging"
	"github.com/pion/turn/v4"
)

// stock is pion's TURN server on loopback, over UDP and TCP.
func stock(t *testing.T) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp4", conn.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	relay := &turn.RelayAddressGeneratorStatic{RelayAddress: net.IPv4(127, 0, 0, 1), Address: "127.0.0.1"}
	quiet := logging.NewDefaultLoggerFactory()
	quiet.DefaultLogLevel = logging.LogLevelDisabled
	s, err := turn.NewServer(turn.ServerConfig{
		Realm: realm, LoggerFactory: quiet,
		AuthHandler: func(user, realm string, _ net.Addr) ([]byte, bool) {
			return turn.GenerateAuthKey(user, realm, password), user == "u"
		},
		PacketConnConfigs: []turn.PacketConnConfig{{PacketConn: conn, RelayAddressGenerator: relay}},
		ListenerConfigs:   []turn.ListenerConfig{{Listener: listener, RelayAddressGenerator: relay}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return netip.MustParseAddrPort(conn.LocalAddr().String())
}

func against(at netip.AddrPort) Options {
	o := good()
	o.Server = Server{at.Addr().String(), at.Port(), UDP}
	o.Credentials.Password = password
	o.Clients, o.Rate, o.Duration = 4, 2000, 150*time.Millisecond
	return o
}

// Every way of relaying, to a server that is not ours: what is sent arrives.
func TestRelayThroughPion(t *testing.T) {
	at := stock(t)
	for name, change := range map[string]func(*Options){
		"channels":            func(o *Options) {},
		"indications":         func(o *Options) { o.Indications = true },
		"relays as peers":     func(o *Options) { o.Peer = PeerRelay },
		"relays, indications": func(o *Options) { o.Peer, o.Indications = PeerRelay, true },
		"bursts":              func(o *Options) { o.Burst, o.Size = 16, 1200 },
		"large":               func(o *Options) { o.Size, o.Burst = 1500, 3 }, // pion takes 1600 bytes; over loopback
		"odd sizes":           func(o *Options) { o.Size, o.Burst, o.Indications = 161, 3, true },
		"up":                  func(o *Options) { o.Direction = Up },
		"down":                func(o *Options) { o.Direction = Down },
		"closed loop":         func(o *Options) { o.Rate, o.Window = 0, 8 },
		"polling":             func(o *Options) { o.Rate, o.Window, o.Poll = 0, 8, true },
		"polling by rate":     func(o *Options) { o.Poll = true },
		"bound":               func(o *Options) { o.Bind, o.PeerAddress = at.Addr(), netip.AddrPortFrom(at.Addr(), 0) },
		"TCP":                 func(o *Options) { o.Server.Transport = TCP },
		"TCP, indications":    func(o *Options) { o.Server.Transport, o.Indications, o.Burst = TCP, true, 4 },
		"TCP to TCP":          func(o *Options) { o.Server.Transport, o.Peer, o.Size = TCP, PeerRelay, 33 },
		"TCP, closed loop":    func(o *Options) { o.Server.Transport, o.Rate, o.Window = TCP, 0, 8 },
	} {
		t.Run(name, func(t *testing.T) {
			o := against(at)
			change(&o)
			r, err := Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if r.Sent < 8 || r.Received != r.Sent || r.Lost != 0 || r.Bad != 0 || len(r.Faults) > 0 || r.EndedEarly {
				text, _ := json.Marshal(r)
				t.Errorf("%s", text)
			}
			if (r.Up != nil) != (o.Direction != Down) || (r.Down != nil) != (o.Direction != Up) {
				t.Errorf("up %v, down %v", r.Up, r.Down)
			}
			if o.Rate > 0 && r.Unsent == 0 && r.Seconds < 0.2 && (r.Sent < 240 || r.Sent > 400) {
				t.Errorf("%d packets in %v s", r.Sent, r.Seconds)
			}
			if r.Allocate.OK != o.Clients && r.Allocate.OK != 2*o.Clients {
				t.Errorf("%+v", r.Allocate)
			}
		})
	}
}

func TestAskPion(t *testing.T) {
	at := stock(t)
	for _, s := range []Scenario{Challenge, Binding} {
		for _, transport := range []Transport{UDP, TCP} {
			o := against(at)
			o.Scenario, o.Rate, o.Window, o.Credentials, o.Server.Transport = s, 0, 16, Credentials{Users: 1}, transport
			r, err := Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if r.Operations < 16 || r.Operations != r.Sent || r.Bad != 0 || r.PerSecond <= 0 || r.Latency == nil || r.Up != nil || r.Down != nil || r.Allocate != nil {
				text, _ := json.Marshal(r)
				t.Errorf("%s over %s: %s", s, transport, text)
			}
		}
	}
}

func TestAllocateAtPion(t *testing.T) {
	o := against(stock(t))
	o.Scenario, o.Clients, o.Handshakes, o.Hold = Allocate, 20, 4, time.Millisecond
	if runtime.GOOS == "linux" {
		o.PID = os.Getpid()
	}
	r, err := Run(t.Context(), o)
	if err != nil || r.Allocate.OK != 20 || len(r.Allocate.Failed) != 0 || r.Allocate.PerSecond <= 0 || r.Sent != 0 || len(r.Faults) > 0 {
		t.Errorf("%+v, %v", r, err)
	}
	if o.PID > 0 && (r.Process.CPUPerAllocation <= 0 || r.Process.RSSBefore <= 0 || r.Process.RSSAllocated <= 0 || r.Process.RSSEnd <= 0) {
		t.Errorf("%+v", r.Process)
	}
	o.Credentials.Password = "wrong"
	r, err = Run(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), "allocating: 400") || r.Allocate.Failed["400"] != 20 {
		t.Errorf("%+v, %v", r, err) // pion answers 400 where 401 is right
	}
}

// A run that is cut short releases what it has and reports; so does one whose
// allocations are still being made.
func TestCutShort(t *testing.T) {
	at := stock(t)
	for _, s := range []Scenario{Relay, Allocate, Binding} {
		o := against(at)
		o.Scenario, o.Duration, o.Hold = s, time.Hour, time.Hour
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		r, err := Run(ctx, o)
		cancel()
		if err != nil || !r.EndedEarly || s != Allocate && r.Sent == 0 || r.Lost > 0 {
			t.Errorf("%s: %+v, %v", s, r, err)
		}
		ctx, cancel = context.WithCancel(t.Context())
		cancel()
		o.Server.Host = "127.0.0.1"
		if r, err := Run(ctx, o); err != nil && ctx.Err() == nil || r != nil && r.Sent != 0 {
			t.Errorf("%s, before it began: %+v, %v", s, r, err)
		}
	}
}

func TestNobodyThere(t *testing.T) {
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := netip.MustParseAddrPort(conn.LocalAddr().String())
	conn.Close()
	o := against(at)
	o.Scenario, o.Rate, o.Duration = Binding, 0, 30*time.Millisecond
	if r, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "does the server listen there") || r == nil {
		t.Errorf("%+v, %v", r, err)
	}
	o.Scenario, o.Server.Transport = Relay, TCP
	if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "connecting") {
		t.Error(err)
	}
	o.Server.Host = "no such host"
	if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "no such host") {
		t.Error(err)
	}
	o = against(at)
	o.Bind = netip.IPv6Loopback()
	if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "family") {
		t.Error(err)
	}
	o = against(at)
	o.PID = 1 << 30
	if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "can't be looked at") {
		t.Error(err)
	}
}

func TestAdvice(t *testing.T) {
	b := &bench{o: good(), peer: peerAt}
	for want, err := range map[string]error{
		"403 Forbidden to CreatePermission for peer 192.0.2.9: the server's policy forbids it; use --peer relay": &refusal{methodCreatePermission, 403, ""},
		"--users": &refusal{methodAllocate, 486, ""}, "clocks": &refusal{methodAllocate, 401, ""}, "drain": &refusal{methodAllocate, 403, ""},
		"other family": &refusal{methodAllocate, 440, ""}, "relay ports": &refusal{methodAllocate, 508, ""}, "firewall": fmt.Errorf("Allocate: %w", errSilence),
	} {
		if got := b.cure("opening", err).Error(); !strings.Contains(got, want) || !strings.HasPrefix(got, "turn:192.0.2.1:3478: opening: ") {
			t.Errorf("%s does not say %q", got, want)
		}
	}
	b.o.Peer = PeerRelay
	if got := b.cure("opening", &refusal{methodCreatePermission, 403, "Forbidden"}).Error(); !strings.Contains(got, "relay to itself") {
		t.Error(got)
	}
	b.o.ClientNet = netip.MustParsePrefix("198.18.0.0/16")
	if got := b.cure("allocating", errSilence).Error(); !strings.Contains(got, "ip route add local 198.18.0.0/16 dev lo") {
		t.Error(got)
	}
	b.o.ClientNet = netip.MustParsePrefix("2001:db8::/64")
	if got := b.cure("allocating", errSilence).Error(); !strings.Contains(got, "ip_nonlocal_bind") {
		t.Error(got)
	}
}

func TestText(t *testing.T) {
	r := &Report{
		Scenario: Relay, Server: "turn:192.0.2.1:3478", Clients: 2, Size: 160, Burst: 1, Mode: "channel", Direction: Both, Peer: PeerSocket, Window: 256, Seconds: 2,
		Up:   &Flowed{Sent: 10, Received: 9, Lost: 1, PPS: 4.5, Latency: &Latency{1, 2, 3, 4, 5}, Jitter: 6},
		Down: &Flowed{Sent: 10, Received: 10, PPS: 5}, Sent: 20, Received: 19, Lost: 1, Loss: .05, PPS: 9.5, Latency: &Latency{1, 2, 3, 4, 5}, Stalls: 1,
		Allocate: &Allocated{OK: 2, Failed: map[string]int{"486": 1}, PerSecond: 20, Seconds: .1}, Unsent: 3,
		Process: &Process{CPUPerPacket: 4.5, CPUShare: .5, RSSBefore: 1, RSSAllocated: 2, RSSEnd: 3}, Client: &Own{1.5, .2},
		Faults: []string{"sending: EPERM (2 times)"}, EndedEarly: true,
	}
	want := `turn:192.0.2.1:3478, 2 clients: relay, 160 bytes, bursts of 1, by channel, both, peers: socket, closed loop of 256
allocations: 2 in 0.10 s, 20 a second; failed: 486: 1
        sent  received  lost  bad  a second  p50 us  p90  p99  p99.9  max  jitter us
    up    10         9     1    0         4       1    2    3      4    5          6
  down    10        10     0    0         5       0    0    0      0    0          0
  both    20        19     1    0        10       1    2    3      4    5          3
measured for 2.00 s; loss 5.0000 %; stalls 1; 3 more were due, but this client could not keep up
server process: 4.50 us of CPU per packet, 0.50 CPUs, resident 1 KB before, 2 KB with the allocations, 3 KB at the end
this client: 1.50 us of CPU per packet; 0.20 CPUs
! sending: EPERM (2 times)
ended early
`
	var b bytes.Buffer
	if err := r.WriteText(&b); err != nil || b.String() != want {
		t.Errorf("%v\n%s", err, b.String())
	}
}
