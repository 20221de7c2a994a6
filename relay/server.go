package relay

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"turnpike/auth"
	"turnpike/pkg/netpolicy"
	"turnpike/ratelimit"
	"turnpike/relay/dataplane"
	"turnpike/relay/engine"
	"turnpike/relay/gate"
	"turnpike/relay/stream"
)

const (
	// DefaultLifetime is what a client is granted that asks for no longer
	// (RFC 8656 §3.2).
	DefaultLifetime = 600 * time.Second

	permissionLifetime = 300 * time.Second // RFC 8656 §9
	channelLifetime    = 600 * time.Second // RFC 8656 §12
	nonceLifetime      = 600 * time.Second

	// noticesPerSecond is how many ICMP errors a client is told of, enough to see
	// for each peer of a call that it is gone. They can be forged by whoever knows
	// two addresses.
	noticesPerSecond, noticesAtOnce = 10, 20

	// stallLimit is how long pion may be at one request before the server
	// calls itself unready: its requests take microseconds.
	stallLimit = 5 * time.Second

	// recordPatience is how long a stopping server waits for its last records
	// to be taken.
	recordPatience = 5 * time.Second
)

// Options configures a Server. What has no default is required.
type Options struct {
	// Listen are the addresses that clients send to.
	Listen []Listener
	// Streams are the limits of TCP and TLS connections and, for TLS, its
	// configuration. Frame, Gone and Admit are the server's own.
	Streams stream.Options
	// Relays are the pools that relayed transport addresses come from.
	Relays []Pool
	// Realm is what clients are told to use; up to 12 bytes keep the 401
	// within 2.4 times a request.
	Realm string
	// NonceKey signs nonces: 32 random bytes or more. Nodes that share an
	// address share it.
	NonceKey []byte

	Plane    dataplane.Plane // the server closes it when Serve returns
	Verifier *auth.Verifier
	// Places bounds allocations; if nil, Ledger does so for this server alone.
	Places Places
	Ledger *ratelimit.Ledger
	// Replies is the budget of challenges and other unauthenticated errors over
	// UDP, Bindings that of Binding answers. A TCP or TLS connection is read more
	// slowly instead: see stream.Conn.Pace.
	Replies, Bindings *ratelimit.Budget
	// Failures bounds the wrong credentials of an address and port.
	Failures *ratelimit.Limiter
	// Policy makes the first policy. It is called once by Serve, when the
	// addresses in use are known and before anything is answered.
	Policy func(listening []netip.AddrPort) (*netpolicy.Policy, error)

	// Revocations are refused, and sessions that Revoke names end; an empty set if
	// nil.
	Revocations *auth.Revocations

	// Clients says who may send to the server at first, see SetClients.
	Clients func(netip.Addr) bool

	Limits Limits
	// MaxLifetime is the longest lifetime granted, in whole seconds from
	// DefaultLifetime to 3540 s, which is what 0 means (RFC 8656 §7.2).
	MaxLifetime time.Duration
	// EndExpired ends a session when the credential that it began with expires.
	// Otherwise that keeps from beginning one, as coturn and browsers have it.
	EndExpired bool
	// OldChannels lets clients bind the channel numbers of RFC 5766 beyond those
	// of RFC 8656: up to 0x7FFF instead of 0x4FFF.
	OldChannels bool
	// DefaultFamily is the family of relayed addresses for clients that ask for
	// none, see gate.Options.
	DefaultFamily gate.Family
	// Redirect is where clients are sent instead, and when; the zero Redirect
	// never sends any.
	Redirect Redirect
	// Engines is the number of pion instances; one a core, four at most, if 0.
	Engines int
	// Ended is told of each session that has ended, one at a time and on a
	// goroutine of its own. While it blocks up to 4,096 records wait; more are
	// lost and counted.
	Ended func(Record)
	// Now is the clock; time.Now if nil.
	Now func() time.Time
}

// Server is a TURN server.
type Server struct {
	o        Options
	now      func() time.Time
	gate     *gate.Gate
	ports    *ports
	sessions table
	streams  *stream.Server // nil without TCP and TLS
	engines  []*engine.Engine
	next     atomic.Uint64 // numbers sessions, to choose their engine
	policy   atomic.Pointer[policy]
	policyMu sync.Mutex // one setPolicy at a time
	verifier atomic.Pointer[auth.Verifier]
	roleMu   sync.Mutex // one session obeys at a time
	clients  atomic.Pointer[func(netip.Addr) bool]
	limits   atomic.Pointer[Limits]
	counts   counts
	serving  atomic.Bool
	draining atomic.Bool

	accepting sync.WaitGroup // the stream listeners

	lapsing []*session // the reaper's own, to be used again

	overMu sync.Mutex // guards over
	over   []overLeg  // of sessions that have ended, and pion does not know it yet

	records chan Record   // to Options.Ended
	emptied chan struct{} // a session has gone while draining
	told    chan struct{} // closed when the last of them has been handed out
	stopped chan struct{} // closed when the server has waited long enough for that
}

// New checks the options. It opens nothing.
func New(o Options) (*Server, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	s := &Server{
		o: o, now: o.Now,
		records: make(chan Record, maxRecords), told: make(chan struct{}), stopped: make(chan struct{}),
		emptied: make(chan struct{}, 1),
	}
	s.sessions.init()
	s.limits.Store(&o.Limits)
	s.SetClients(o.Clients)
	var err error
	if slices.ContainsFunc(o.Listen, func(l Listener) bool { return l.TCP || l.TLS }) {
		o.Streams.Frame, o.Streams.Gone, o.Streams.Admit = s.frame, s.gone, s.admits
		if s.streams, err = stream.New(o.Streams); err != nil {
			return nil, fmt.Errorf("relay: %w", err)
		}
	}
	if s.ports, err = newPorts(o.Relays); err != nil {
		return nil, err
	}
	s.verifier.Store(o.Verifier.Without(o.Revocations))
	maxChannel := uint16(dataplane.MaxChannel)
	if o.OldChannels {
		maxChannel = dataplane.MaxOldChannel
	}
	s.gate, err = gate.New(gate.Options{
		MaxChannel: maxChannel, Families: s.ports.families(), DefaultFamily: o.DefaultFamily,
		DontFragment: o.Plane.Caps().DontFragment,
		Realm:        o.Realm, NonceKey: o.NonceKey, NonceLifetime: nonceLifetime,
		Verifier: s.verifier.Load(), Replies: o.Replies, Bindings: o.Bindings, Failures: o.Failures,
		Sessions: s.sessions.view, Peer: s.peer, Permission: s.permission,
		DefaultLifetime: DefaultLifetime, MaxLifetime: o.MaxLifetime,
	})
	if err != nil {
		return nil, fmt.Errorf("relay: %w", err)
	}
	return s, nil
}

// complete fills in the defaults and names everything that is missing.
func (o *Options) complete() error {
	var faults []error
	need := func(ok bool, what string) {
		if !ok {
			faults = append(faults, errors.New("relay: "+what))
		}
	}
	need(len(o.Listen) > 0, "no address to listen on: set Listen")
	for _, l := range o.Listen {
		if err := l.check(); err != nil {
			faults = append(faults, err)
		}
		need(!l.TLS || o.Streams.TLS != nil, fmt.Sprintf("Listen has %s with TLS and there is no certificate: set Streams.TLS", l.Addr))
	}
	if err := o.Redirect.check(o.Listen, o.Relays); err != nil {
		faults = append(faults, err)
	}
	need(o.Plane != nil, "no data plane: set Plane")
	need(o.Verifier != nil, "nothing to verify credentials with: set Verifier")
	need(o.Ledger != nil || o.Places != nil, "nothing that bounds allocations: set Ledger or Places")
	need(o.Policy != nil, "no peer policy: set Policy")
	need(o.Engines >= 0, "Engines is negative")
	if err := o.Limits.complete(); err != nil {
		faults = append(faults, err)
	}
	if o.Engines == 0 {
		o.Engines = min(runtime.GOMAXPROCS(0), 4)
	}
	if o.Places == nil {
		o.Places = alone{o.Ledger}
	}
	if o.Ended == nil {
		o.Ended = func(Record) {}
	}
	if o.Revocations == nil {
		o.Revocations = auth.NewRevocations()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return errors.Join(faults...)
}

// Serve opens the listeners, calls started with what is bound in the order of
// Options.Listen, and serves until ctx ends. Then every session ends, with a
// record, and everything is closed. A Server serves once.
func (s *Server) Serve(ctx context.Context, started func([]Bound)) error {
	go s.runRecords()
	for range s.o.Engines {
		e, err := engine.New(engine.Options{Now: s.now})
		if err != nil {
			return errors.Join(fmt.Errorf("relay: %w", err), s.close())
		}
		s.engines = append(s.engines, e)
	}
	var bound []Bound
	var own []netip.AddrPort
	for _, l := range s.o.Listen {
		here, err := s.listen(l)
		if err != nil {
			return errors.Join(err, s.close())
		}
		bound = append(bound, here...)
		for _, b := range here {
			own = append(own, b.Addr)
		}
	}
	first, err := s.o.Policy(own)
	if err != nil {
		return errors.Join(fmt.Errorf("relay: peer policy: %w", err), s.close())
	}
	s.setPolicy(first, true)
	s.serving.Store(true)
	if started != nil {
		started(bound)
	}
	s.runReaper(ctx)
	return s.close()
}

// close ends all sessions and closes what Serve opened.
func (s *Server) close() error {
	s.serving.Store(false)
	late := time.AfterFunc(recordPatience, func() { close(s.stopped) })
	defer late.Stop()
	s.endAll()
	s.tellPion()
	var errs []error
	for _, e := range s.engines {
		errs = append(errs, e.Close())
	}
	s.endAll() // those whose Allocate was being served meanwhile
	// The last answers have been given: connections take them along.
	errs = append(errs, s.closeStreams(), s.o.Plane.Close())
	close(s.records)
	select {
	case <-s.told:
	case <-s.stopped:
		errs = append(errs, fmt.Errorf("relay: %d records of sessions were not taken within %s", len(s.records), recordPatience))
	}
	return errors.Join(errs...)
}

func (s *Server) endAll() {
	for _, x := range s.sessions.filter(nil, func(*session) bool { return true }) {
		s.end(x, EndShutdown)
	}
}

// Ready says why the server should not get new clients; nothing means it
// should.
func (s *Server) Ready() []string {
	if !s.serving.Load() {
		return []string{"not serving"}
	}
	var reasons []string
	if s.draining.Load() {
		reasons = append(reasons, "draining")
	}
	for i, e := range s.engines {
		if d := e.Stalled(s.now()); d > stallLimit {
			reasons = append(reasons, fmt.Sprintf("engine %d has been at one request for %s", i, d.Round(time.Second)))
		}
	}
	return reasons
}
