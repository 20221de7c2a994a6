package dataplane

import (
	"errors"
	"net/netip"
	"time"
)

// ListenerID numbers a plane's listeners in the order they were opened.
type ListenerID int

// Client is where a client's messages come from and go to: the five-tuple as
// the server sees it. For UDP a listener stands for transport, own address and
// own port. A TCP or TLS connection is a five-tuple by itself: Stream is set and
// Listener is 0, and the next connection from the same address is another
// Client. It is comparable.
type Client struct {
	Listener ListenerID
	Addr     netip.AddrPort
	Stream   Stream
}

// Stream is the way back to a client that came over TCP or TLS. Its dynamic
// type must be comparable; each connection has one of its own.
type Stream interface {
	// Send queues one message for the client. It copies b, adds the padding
	// that ChannelData has over a stream (RFC 8656 §12.5), and never waits.
	// QueueFull: the client does not read, this message is lost. Ended: the
	// connection is closed.
	Send(b []byte) Verdict

	// Queue is Send for a message that others will follow at once: it may stay
	// until Flush, so that they leave together, in one write and one TLS record.
	Queue(b []byte) Verdict
	Flush()
}

// Span is where a message is in a buffer.
type Span struct{ From, To int32 }

// Of is the message.
func (s Span) Of(buf []byte) []byte { return buf[s.From:s.To] }

// Control takes a datagram that the plane does not relay itself. It runs in
// the listener's worker loop and must not block. b is valid during the call
// only. It returns the answer to send to the client, built in out[:0] (or nil
// for silence); out has room for [MaxControl] bytes.
type Control func(c Client, b []byte, now time.Time, out []byte) []byte

// MaxControl is the largest answer a Control function may build.
const MaxControl = 1500

// ErrPortInUse says that a relay port is taken on this host; another may be
// free.
var ErrPortInUse = errors.New("dataplane: port in use")

// ErrClosed says that the plane is closed.
var ErrClosed = errors.New("dataplane: plane closed")

// ErrClientInUse says that the client already has a flow of that family.
var ErrClientInUse = errors.New("dataplane: client already has a flow of this address family")

// Plane moves datagrams. All methods may be called from any goroutine.
type Plane interface {
	// Listen opens a UDP socket for clients and serves it until Close. It
	// returns the bound address: with port 0 the plane chose the port.
	Listen(at netip.AddrPort, control Control) (ListenerID, netip.AddrPort, error)

	// OpenRelay binds a relay socket. public is the address that peers see:
	// bind itself, or what a 1:1 NAT in front of it owns. From now on both
	// are Live. Nothing passes before Install. A taken port is ErrPortInUse.
	OpenRelay(bind, public netip.AddrPort) (*Relay, error)

	// Install lets a flow's datagrams pass. A client has one flow of each address
	// family at most, and both have the same Pass: another Pass comes after Remove
	// has returned for what had the one before.
	Install(*Flow) error

	// Remove closes a relay's socket and ends its flow, if one was installed.
	// When it returns no datagram of the flow is judged, sent or counted any
	// more, and the relay's addresses are not Live. Removing twice is
	// harmless, and a second call at the same time waits as well. It must not
	// be called from a Pass.
	Remove(*Relay)

	// Deliver takes messages that came over a stream together: c.Stream is set.
	// Message i is at buf[messages[i].From:messages[i].To], in order, without the
	// padding that ChannelData has over a stream and that is there behind it;
	// before the first there is Headroom. Data is judged, sent and counted as if
	// datagrams had come. Whatever is before the end of the last message that was
	// taken, with its padding, may be overwritten.
	//
	// It returns how many messages it took, one at least, and the Kind of the
	// last. It goes no further than the first that is not for somebody else to
	// have. Stop: that one was refused. HandUp: it is no data and nothing was done
	// but to count it as Control; it is as it was, and for the caller's Control
	// function. What was before it has been sent.
	Deliver(c Client, buf []byte, messages []Span) (int, Kind)

	// Send sends an answer that was not ready when Control returned. It never
	// blocks; what the socket does not take is dropped and counted.
	Send(Client, []byte)

	// Listeners tells of the listeners, in the order they were opened.
	Listeners() []ListenerStats

	// Live reports whether addr is the bind or public address of an open
	// relay of this plane.
	Live(addr netip.AddrPort) bool

	Caps() Caps

	// Counters is what the plane has carried so far. Whether it goes on counting
	// after the call is the plane's choice.
	Counters() *Counters

	// Close closes every socket and waits for the plane's goroutines.
	Close() error
}

// Caps tells what a plane is and can do.
type Caps struct {
	Name string
	// MaxPayload is the largest payload relayed, in bytes. Larger ones are
	// dropped and counted as Oversize.
	MaxPayload int
	// DontFragment says that a Send indication with DONT-FRAGMENT leaves whole and
	// with DF set, or is dropped and counted as Oversize (RFC 8656 §11.3). A plane
	// that can't do so hands it up.
	DontFragment bool
	// Features are what the kernel was asked for and whether it is in use, by
	// names that never change; nil for a plane that asks for nothing.
	Features []Feature
}

// Feature is one thing that a plane may use.
type Feature struct {
	Name string
	On   bool
	// Why says what keeps a feature off that was wanted; "" if nothing does.
	Why string
}

// ListenerStats is what a plane tells of one listener's sockets, all together.
type ListenerStats struct {
	Addr netip.AddrPort
	// ReceiveBuffer and SendBuffer are the sizes that the kernel granted each
	// socket, in bytes as it counts them (socket(7): twice what was asked).
	ReceiveBuffer, SendBuffer int
	// Wanted is the size that was asked for.
	Wanted int
	// Overflowed counts datagrams that found no room in the receive buffer.
	Overflowed uint64
}

// Pass judges datagrams. The plane asks it once for each, whatever the way it
// came; n is the payload in bytes, without framing. It is called from several
// goroutines at once and must not block or allocate.
type Pass interface {
	// ToPeer judges a datagram of the client. It came over channel, and the
	// answer names the peer bound to it; or, when channel is 0, by Send
	// indication to peer, and the answer is that peer.
	ToPeer(channel uint16, peer netip.AddrPort, n int, now time.Time) (netip.AddrPort, Verdict)

	// ToClient judges a datagram of peer. It goes to the client over the
	// channel answered, or as a Data indication when that is 0.
	ToClient(peer netip.AddrPort, n int, now time.Time) (channel uint16, v Verdict)

	// ICMP judges an ICMP error about a datagram that the client has sent to peer:
	// whether the client is told (NoticeSent) or why not. Whoever knows the two
	// addresses can forge one: it is not charged to the client, and paced.
	ICMP(peer netip.AddrPort, now time.Time) Notice
}
