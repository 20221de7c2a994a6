package load

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Run does what the options say, and reports. It blocks until that is done or
// ctx ends, which ends it early and well: allocations are released, and there is
// a report of what there was. With an error there may be a report all the same.
func Run(ctx context.Context, o Options) (*Report, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	b, err := newBench(ctx, o)
	if err != nil {
		return nil, err
	}
	defer b.close()
	r := b.blank()
	if o.PID > 0 {
		s := b.sample()
		if !s.ok {
			return nil, fmt.Errorf("process %d can't be looked at: it must run on this host, which must be Linux", o.PID)
		}
		r.Process = &Process{RSSBefore: s.rssKB}
	}
	if err := b.openShared(); err != nil {
		return nil, err
	}
	switch o.Scenario {
	case Relay:
		err = b.relay(ctx, r)
	case Allocate:
		err = b.allocateAndHold(ctx, r)
	default:
		err = b.ask(ctx, r)
	}
	b.release()
	r.EndedEarly = ctx.Err() != nil
	r.Faults = b.faults()
	return r, err
}

// blank is a report that says what was asked for.
func (b *bench) blank() *Report {
	o := &b.o
	r := &Report{Scenario: o.Scenario, Server: o.Server.String(), Transport: o.Server.Transport, Clients: o.Clients, Rate: o.Rate}
	if o.Scenario == Allocate {
		return r
	}
	if o.Rate == 0 {
		r.Window = o.Window
	}
	if o.Scenario == Relay {
		r.Size, r.Burst, r.Direction, r.Peer, r.Mode = o.Size, o.Burst, o.Direction, o.Peer, "channel"
		if o.Indications {
			r.Mode = "indication"
		}
	}
	return r
}

// allocated enters how the allocations went.
func (r *Report) allocated(out outcome, took time.Duration, before, after sample) {
	r.Allocate = &Allocated{OK: out.ok, Failed: out.failed, Seconds: took.Seconds()}
	if took > 0 {
		r.Allocate.PerSecond = float64(out.ok) / took.Seconds()
	}
	if used := after.since(before); used.ok {
		r.Process.CPUPerAllocation, r.Process.RSSAllocated = perPiece(used.cpu, uint64(out.ok)), after.rssKB
		r.Process.CPUShare, r.Process.RSSEnd = share(used.cpu, took.Seconds()), after.rssKB
	}
}

// relay has all clients speak with their peers.
func (b *bench) relay(ctx context.Context, r *Report) error {
	before := b.sample()
	out, took := b.allocateAll(ctx, true)
	r.allocated(out, took, before, b.sample())
	if out.first != nil {
		return b.cure("allocating", out.first)
	}
	if ctx.Err() != nil {
		return nil
	}
	if out := b.permitAll(ctx); out.first != nil {
		return b.cure("opening the way to the peers", out.first)
	}
	if ctx.Err() != nil {
		return nil
	}
	defer b.keep(ctx)()
	p := b.pump(ctx)
	r.add(b, &p)
	return nil
}

// allocateAndHold makes allocations, keeps them for a while, and releases them.
func (b *bench) allocateAndHold(ctx context.Context, r *Report) error {
	before := b.sample()
	out, took := b.allocateAll(ctx, false)
	r.allocated(out, took, before, b.sample())
	r.Seconds = took.Seconds()
	if b.o.Hold > 0 && out.ok > 0 {
		done := b.keep(ctx)
		wait(ctx, b.o.Hold)
		done()
	}
	if s := b.sample(); s.ok {
		r.Process.RSSEnd = s.rssKB
	}
	if out.ok == 0 && out.first != nil {
		return b.cure("allocating", out.first)
	}
	return nil
}

// ask has the server answer what needs no allocation.
func (b *bench) ask(ctx context.Context, r *Report) error {
	if out := b.each(ctx, b.clients, true, b.open); out.first != nil {
		return b.cure("opening sockets", out.first)
	}
	if ctx.Err() != nil {
		return nil
	}
	p := b.pump(ctx)
	r.add(b, &p)
	if r.Received == 0 && r.Sent > 0 && ctx.Err() == nil {
		return b.cure(string(b.o.Scenario), errSilence)
	}
	return nil
}

// keep keeps the allocations until done.
func (b *bench) keep(ctx context.Context) (done func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		b.runKeep(ctx)
	}()
	return func() {
		cancel()
		<-ended
	}
}

// faults are what went wrong besides, each kind once.
func (b *bench) faults() (told []string) {
	add := func(what string, f *fault) {
		if n, err := f.told(); n > 0 {
			text := fmt.Sprintf("%s: %v (%d times)", what, err, n)
			if !slices.Contains(told, text) {
				told = append(told, text)
			}
		}
	}
	add("connections and allocations", &b.broken)
	seen := map[*socket]bool{}
	for _, e := range []*end{&b.near, &b.far} {
		for i := range e.lines {
			if s := e.lines[i].socket; s != nil && !seen[s] {
				seen[s] = true
				add("sending", &s.fault)
			}
		}
	}
	for _, d := range []*direction{&b.up, &b.down} {
		d.mu.Lock()
		if d.tally.first != "" {
			told = append(told, "the first bad packet: "+d.tally.first)
		}
		d.mu.Unlock()
	}
	return told[:min(len(told), 8)]
}

// cure says what to do about an error, where that is known.
func (b *bench) cure(doing string, err error) error {
	return fmt.Errorf("%s: %s: %w%s", b.o.Server, doing, err, b.advice(err))
}

func (b *bench) advice(err error) string {
	var r *refusal
	switch {
	case errors.Is(err, errSilence) && b.o.ClientNet.IsValid():
		here := fmt.Sprintf("`ip route add local %s dev lo`", b.o.ClientNet)
		if b.o.ClientNet.Addr().Is6() { // its sockets look at the interfaces' addresses
			here += " and `sysctl net.ipv6.ip_nonlocal_bind=1`"
		}
		return fmt.Sprintf(": does the server listen there and have a route to %s, and this host %s?", b.o.ClientNet, here)
	case errors.Is(err, errSilence):
		return ": does the server listen there, and does a firewall let it through?"
	case errors.As(err, new(*tls.CertificateVerificationError)):
		return "; trust its authority with --ca-file, or trust anybody with --insecure"
	case !errors.As(err, &r):
		return ""
	}
	switch {
	case r.code == 401:
		return ": the server takes these credentials for wrong; check the user, the password or secret, and the clocks"
	case r.code == 486:
		return ": the server's quota is used up; spread the clients over more users with --users, or raise the quota"
	case r.code == 403 && r.method == methodAllocate:
		return ": the server takes no more allocations now (does it drain?), or not from this address or user"
	case r.code == 403 && b.o.Peer == PeerRelay:
		return ": the server's policy forbids it to relay to itself"
	case r.code == 403:
		return fmt.Sprintf(" for peer %s: the server's policy forbids it; use --peer relay, or --peer-address with an address it allows", b.peer.Addr())
	case r.code == 440 || r.code == 443:
		return ": the server relays no such addresses; give a --peer-address of the other family"
	case r.code == 508:
		return ": the server has no relay ports left"
	}
	return ""
}
