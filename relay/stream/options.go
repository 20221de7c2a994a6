package stream

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"turnpike/relay/dataplane"
)

// minQueue is the least that QueueBytes may be: a message of any size fits.
const minQueue = 2 * maxMessage

// Options configures a Server. What has no default is required.
type Options struct {
	// Frame takes whole messages, STUN or ChannelData, of which message i is at
	// buf[messages[i].From:messages[i].To], with dataplane.Headroom before it and
	// behind it the padding that ChannelData has. It may take some of them only,
	// one at least, and returns how many: it is called again for the others. It is
	// called on the connection's own goroutine: nothing more is read until it
	// returns. What is before the end of a message that it takes may be
	// overwritten. All is valid during the call only.
	Frame func(c *Conn, buf []byte, messages []dataplane.Span) int
	// Gone is told once of every connection that Frame has seen, after the last
	// Frame, when the connection is over.
	Gone func(c *Conn)
	// Admit says whether a client may come, by its address: that which the PROXY
	// header names, behind a proxy. It is asked before anything is done for the
	// connection, and again by Recheck. nil: everybody may. It must not wait.
	Admit func(netip.Addr) bool
	// TLS is required to serve a Kind with TLS. One Write is one record only
	// with DynamicRecordSizingDisabled.
	TLS *tls.Config

	// MaxConns is the most connections at a time; 10,000 if 0. MaxConnsPerIP is
	// the most of one source, an IPv4 address or an IPv6 /56; 256 if 0. Behind
	// a proxy the source is the client that the PROXY header names.
	MaxConns, MaxConnsPerIP int
	// MaxHandshakes is the most TLS handshakes at a time; 64 if 0. One source
	// may have half of them, so that it can't keep all others out. When there
	// is no room, one that has taken a second or more makes room.
	MaxHandshakes int

	// Handshake is the time from the accept until the first byte has come, the
	// PROXY header is read and the TLS handshake is done; 10 s if 0.
	Handshake time.Duration
	// FirstFrame is the time from there until the first message is whole; 10 s
	// if 0.
	FirstFrame time.Duration
	// FrameTime is the time from a message's first byte to its last; 10 s if 0.
	FrameTime time.Duration
	// Authenticate is the time from the accept until Hold; 30 s if 0.
	Authenticate time.Duration
	// Idle is the time from Release until the next Hold; 60 s if 0.
	Idle time.Duration
	// Write is the time that the client may take to make room for what is
	// written at once; 10 s if 0.
	Write time.Duration

	// QueueBytes is how much may wait to be written on a connection; 64 KiB if
	// 0.
	QueueBytes int
}

// Kind says what is served on a listener.
type Kind struct {
	// TCP and TLS: the first byte of a connection tells which it is.
	TCP, TLS bool
	// ProxyFrom are the networks of reverse proxies. A connection from there
	// must begin with a PROXY header, version 1 or 2; from anywhere else a
	// header is garbage.
	ProxyFrom []netip.Prefix
}

// withDefaults fills in what was left out.
func (o Options) withDefaults() Options {
	if o.Admit == nil {
		o.Admit = func(netip.Addr) bool { return true }
	}
	preset(&o.MaxConns, 10000)
	preset(&o.MaxConnsPerIP, 256)
	preset(&o.MaxHandshakes, 64)
	preset(&o.QueueBytes, 64<<10)
	preset(&o.Handshake, 10*time.Second)
	preset(&o.FirstFrame, 10*time.Second)
	preset(&o.FrameTime, 10*time.Second)
	preset(&o.Authenticate, 30*time.Second)
	preset(&o.Idle, time.Minute)
	preset(&o.Write, 10*time.Second)
	return o
}

func preset[T comparable](v *T, to T) {
	var zero T
	if *v == zero {
		*v = to
	}
}

// validate names every fault at once.
func (o Options) validate() error {
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("stream: "+format, args...))
	}
	if o.Frame == nil {
		fault("Frame is nil: give a function that takes the messages")
	}
	if o.Gone == nil {
		fault("Gone is nil: give a function that ends what lives on a connection")
	}
	for _, n := range []struct {
		name string
		is   int
	}{{"MaxConns", o.MaxConns}, {"MaxConnsPerIP", o.MaxConnsPerIP}, {"MaxHandshakes", o.MaxHandshakes}} {
		if n.is < 1 {
			fault("%s is %d: give 1 or more, or 0 for the default", n.name, n.is)
		}
	}
	for _, d := range []struct {
		name string
		is   time.Duration
	}{
		{"Handshake", o.Handshake}, {"FirstFrame", o.FirstFrame}, {"FrameTime", o.FrameTime},
		{"Authenticate", o.Authenticate}, {"Idle", o.Idle}, {"Write", o.Write},
	} {
		if d.is < 0 {
			fault("%s is %v: give a time above 0, or 0 for the default", d.name, d.is)
		}
	}
	if o.QueueBytes < minQueue {
		fault("QueueBytes is %d: give %d or more, or 0 for 64 KiB", o.QueueBytes, minQueue)
	}
	return errors.Join(faults...)
}

// check says why a listener can't be served.
func (k Kind) check(o *Options) error {
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("stream: "+format, args...))
	}
	if !k.TCP && !k.TLS {
		fault("Kind has neither TCP nor TLS: nothing could be served, set one or both")
	}
	if k.TLS && o.TLS == nil {
		fault("Kind has TLS and there is no certificate: set Options.TLS")
	}
	for _, p := range k.ProxyFrom {
		if !p.IsValid() || p.Addr().Is4In6() {
			fault("ProxyFrom has %v: give a network such as 10.0.0.0/8 or 2001:db8::/32, IPv4 as IPv4", p)
		}
	}
	return errors.Join(faults...)
}

// proxies reports whether a is a proxy of ours.
func (k *Kind) proxies(a netip.Addr) bool {
	for _, p := range k.ProxyFrom {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
