package load

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"time"
)

// Scenario is what is measured.
type Scenario string

// The scenarios.
const (
	Relay     Scenario = "relay"
	Allocate  Scenario = "allocate"
	Challenge Scenario = "challenge"
	Binding   Scenario = "binding"
)

// Direction is which way packets go: Up is from clients to peers.
type Direction string

// The directions.
const (
	Both Direction = "both"
	Up   Direction = "up"
	Down Direction = "down"
)

// Peer is what the clients' peers are.
type Peer string

// The peers: one UDP socket of this host, or allocations on the same server.
const (
	PeerSocket Peer = "socket"
	PeerRelay  Peer = "relay"
)

// Options say what to do to which server.
type Options struct {
	Server      Server
	Scenario    Scenario
	Credentials Credentials

	Clients int
	Size    int // of a payload, in bytes
	Burst   int // consecutive packets of one client
	Window  int // packets in flight in a direction, when Rate is 0
	Rate    float64
	// Direction, and indications instead of channels, of the relay scenario.
	Direction   Direction
	Indications bool

	Peer        Peer
	PeerAddress netip.AddrPort // of the socket; zero: as the route to the server has it
	Bind        netip.Addr     // of the clients; zero: the system chooses
	ClientNet   netip.Prefix   // each client has an address of its own of it

	Handshakes int // in flight
	Duration   time.Duration
	Warmup     time.Duration
	Hold       time.Duration

	TLS  *tls.Config // of turns:; without a ServerName, the server's host
	PID  int         // of the server process, if it is of this host
	Poll bool        // ask the sockets again and again instead of waiting
}

// The bounds of what can be asked for.
const (
	MaxClients = 200_000
	MaxBurst   = 256
	MaxWindow  = 1 << 20
	MaxRate    = 100e6
)

// Validate says everything that is wrong at once.
func (o *Options) Validate() error {
	var faults []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	between := func(name string, v, low, high int) {
		check(v >= low && v <= high, "%s is %d: want %d to %d", name, v, low, high)
	}
	check(o.Server.Host != "" && o.Server.Port != 0, "no server")
	switch o.Scenario {
	case Relay, Allocate, Challenge, Binding:
	default:
		check(false, "scenario %q: want relay, allocate, challenge or binding", o.Scenario)
	}
	check(o.Direction == Both || o.Direction == Up || o.Direction == Down, "direction %q: want both, up or down", o.Direction)
	check(o.Peer == PeerSocket || o.Peer == PeerRelay, "peer %q: want socket or relay", o.Peer)
	between("clients", o.Clients, 1, MaxClients)
	between("size", o.Size, MinSize, MaxSize)
	between("burst", o.Burst, 1, MaxBurst)
	between("window", o.Window, 1, MaxWindow)
	between("handshakes", o.Handshakes, 1, 10_000)
	check(o.Rate >= 0 && o.Rate <= MaxRate, "rate is %v: want 0 (closed loop) to %d packets a second", o.Rate, int(MaxRate))
	check(o.Rate > 0 || o.Window >= o.Burst, "a window of %d does not let a burst of %d out: widen it", o.Window, o.Burst)
	check(o.Duration > 0, "duration is %v: want more than nothing", o.Duration)
	check(o.Warmup >= 0 && o.Hold >= 0, "warmup and hold can't be negative")
	check(o.PID >= 0, "pid is %d", o.PID)
	faults = append(faults, o.validateCredentials()...)
	faults = append(faults, o.validateAddresses()...)
	return errors.Join(faults...)
}

func (o *Options) validateCredentials() (faults []error) {
	c := o.Credentials
	needed := o.Scenario == Relay || o.Scenario == Allocate
	switch {
	case c.Shared != "" && (c.User != "" || c.Password != ""):
		faults = append(faults, errors.New("a user with its password, or a shared secret: not both"))
	case needed && c.Shared == "" && (c.User == "" || c.Password == ""):
		faults = append(faults, errors.New("no credentials: give a user and its password, or a shared secret"))
	case c.Users != 1 && c.Shared == "":
		faults = append(faults, errors.New("several users are made of a shared secret: there is none"))
	case c.Users < 1 || c.Users > MaxClients:
		faults = append(faults, fmt.Errorf("users is %d: want 1 to %d", c.Users, MaxClients))
	}
	return faults
}

func (o *Options) validateAddresses() (faults []error) {
	add := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if n := o.ClientNet; n.IsValid() {
		switch {
		case runtime.GOOS != "linux":
			add("a network of clients needs Linux")
		case o.Bind.IsValid():
			add("an address to bind, or a network of clients: not both")
		case n != n.Masked():
			add("%s is not the address of a network: %s is", n, n.Masked())
		case hosts(n) < o.Clients:
			add("%s has %d addresses for %d clients: take a larger network", n, hosts(n), o.Clients)
		}
	}
	if o.PeerAddress.IsValid() && o.Peer == PeerRelay {
		add("the address of a peer is for the peer socket: with relays as peers there is none")
	}
	return faults
}

// hosts is how many addresses of a network clients can have: not the first,
// which is its name, and of IPv4 not the last, its broadcast address.
func hosts(n netip.Prefix) int {
	free := n.Addr().BitLen() - n.Bits()
	switch {
	case free >= 30:
		return 1 << 30
	case n.Addr().Is4():
		return max(1<<free-2, 0)
	}
	return 1<<free - 1
}

// hostOf is the i-th address of a network.
func hostOf(n netip.Prefix, i int) netip.Addr {
	b := n.Masked().Addr().AsSlice()
	for at, left := len(b)-1, i+1; left > 0 && at >= 0; at-- {
		left += int(b[at])
		b[at], left = byte(left), left>>8
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// pollMost is how many sockets are polled: asking more of them, one after the
// other, is slower than waiting.
const pollMost = 4

// fewSockets reports whether all sockets can be polled. It is all or none: on
// one CPU, goroutines that poll leave those that wait no moment to be woken.
func (o *Options) fewSockets() bool {
	return o.Server.Transport == UDP && (o.ClientNet.IsValid() || o.Clients <= pollMost)
}

// framing of the clients' lines.
func (o *Options) framing() framing {
	switch {
	case o.Scenario == Challenge:
		return challenge
	case o.Scenario == Binding:
		return binding
	case o.Indications:
		return indication
	}
	return channel
}
