package wire

import "net/netip"

// Case is one exchange of a client with a server.
type Case struct {
	Name string
	RFC  string // the section that says what to answer; or who found out
	Over Over   // 0 is Everywhere
	// Setting is what the server must be like; the usual if 0.
	Setting Setting
	Steps   []Step
}

// Over is a set of transports between client and server.
type Over uint8

// The transports.
const (
	UDP Over = 1 << iota
	TCP
	TLS
	Streams    = TCP | TLS
	Everywhere = UDP | Streams
)

// Transports are those that a table can be run over.
func Transports() []Over { return []Over{UDP, TCP, TLS} }

func (o Over) String() string {
	switch o {
	case UDP:
		return "UDP"
	case TCP:
		return "TCP"
	case TLS:
		return "TLS"
	case Streams:
		return "TCP, TLS"
	}
	return "all"
}

// Runs reports whether the case is meant for a transport.
func (c *Case) Runs(over Over) bool { return c.Over == 0 || c.Over&over != 0 }

// Setting is a state of the server that no client can bring about.
type Setting uint8

// The settings.
const (
	Usual    Setting = iota
	Full             // there is one relayed port
	Draining         // it drains from the step draining on
	IPv6             // clients come by IPv6, and are given addresses of both families
	Old              // it takes the channel numbers of RFC 5766
)

// Who is a holder, true or false, of a credential.
type Who string

// Those whom a server knows by name, or does not.
const (
	Alice   Who = "alice"
	Bob     Who = "bob"
	Expired Who = "expired" // alice, a minute late
	Jitsi   Who = "jitsi"   // nobody's name, and those that follow are alice in
	Synapse Who = "synapse" // other forms than EXPIRY:NAME
	Swapped Who = "swapped"
	wrong   Who = "a wrong password"
	unknown Who = "an unknown user"
)

// Quota is how many allocations a user may have.
const Quota = 3

// Step is something to do, and what must come of it.
type Step struct {
	do   action
	from string    // the five-tuple; "" is the first
	send []Message // for says
	text string    // for peerSays
	peer string    // whom data comes from, or goes to
	want Want
	// given says that the step only leads to what the case is about.
	given bool
	// pieces says that the message goes byte by byte.
	pieces bool
}

type action uint8

const (
	says     action = iota // a client sends messages; the last may be answered
	peerSays               // the peer sends text to the relayed address
	drain                  // the server is told to end
)

// ask is a step: a client sends one message.
func ask(m Message) Step { return askAll(m) }

// askAll is a step: a client sends messages, and what is wanted of one is
// wanted of each.
func askAll(m ...Message) Step { return Step{send: m, peer: thePeer} }

// fromPeer is a step: the peer sends text to the relayed transport address.
func fromPeer(text string) Step { return fromPeerAt(thePeer, text) }

func fromPeerAt(peer, text string) Step { return Step{do: peerSays, peer: peer, text: text} }

func draining() Step { return Step{do: drain, given: true} }

// get says what the step must bring.
func (s Step) get(w Want) Step {
	s.want = w
	return s
}

// at has another five-tuple of the same host do the step.
func (s Step) at(name string) Step {
	s.from = name
	return s
}

// to has the step be about another peer.
func (s Step) to(peer string) Step {
	s.peer = peer
	return s
}

// inPieces sends the message byte by byte.
func (s Step) inPieces() Step {
	s.pieces = true
	return s
}

func given(s Step) Step {
	s.given = true
	return s
}

// session gives a user an allocation.
func session(who Who) Step { return given(ask(allocate(by(who))).get(allocated(600).under(who))) }

// permitted gives alice a permission for the peer.
func permitted() Step {
	return given(ask(permit(peer(thePeer), by(Alice))).get(success().under(Alice)))
}

// bound gives alice channel 0x4000 to the peer.
func bound() Step {
	return given(ask(bind(0x4000, peer(thePeer), by(Alice))).get(success().under(Alice)))
}

// Where the server listens, by every transport.
var (
	Listener     = netip.MustParseAddrPort("93.184.216.1:3478")
	ListenerIPv6 = netip.MustParseAddrPort("[2600:1f18::1]:3478")
)

// The hosts of the table. They look public, so that the policy that every
// server has lets clients relay to them.
const (
	thePeer    = "93.184.216.2:4000"
	otherPeer  = "93.184.216.2:4001"
	otherHost  = "93.184.216.3:4000"
	deniedPeer = "10.0.0.1:4000"
	peerIPv6   = "[2600:1f18::2]:4000"
	mappedPeer = "[::ffff:93.184.216.2]:4000"
)
