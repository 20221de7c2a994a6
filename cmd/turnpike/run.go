package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"turnpike/pkg/metrics"
	"turnpike/relay"
)

// up is a running server as its user needs to know it.
type up struct {
	settings *settings
	parts    *parts
	turn     []relay.Bound // in the order of settings.Listen
	issuer   []endpoint
	operator []endpoint
}

// run finds the public addresses, builds the server, serves, and stops as the
// signals say. announced is called once everything listens.
func run(s *settings, sig *signals, log *logs, announced func(context.Context, *up) error) error {
	pools, err := resolve(sig.drain, s, log)
	if sig.drain.Err() != nil {
		log.Info("stopped before it served")
		return nil
	}
	if err != nil {
		return err
	}
	p, err := build(s, pools, log)
	if err != nil {
		return badConfig{err}
	}

	defer p.fleet.join(log)() // others are asked for as long as a session may hold a place
	defer p.accounts.run()()  // and records are kept until the last has ended

	// ---- Nothing above this line listens. ----

	u := &up{settings: s, parts: p}
	issuers, err := listenHTTP(s.Issuer.Listen, maxIssuerConns, &p.askers, s.issuerTLS(), s.OtherPorts)
	if err != nil {
		return fmt.Errorf("issuer: %w", listenFault("issuer.listen", err))
	}
	defer issuers.close()
	operators, err := listenHTTP(s.Operator, maxOperatorConns, nil, nil, s.OtherPorts)
	if err != nil {
		return fmt.Errorf("health and metrics: %w", listenFault("operator.listen", err))
	}
	defer operators.close()
	u.issuer, u.operator = issuers.endpoints(), operators.endpoints()
	p.services = append(issuers.tcp(), operators.tcp()...)

	serving, stop := context.WithCancel(sig.ended)
	defer stop()
	group, ctx := errgroup.WithContext(serving)
	listening := make(chan []relay.Bound, 1)
	group.Go(func() error {
		return listenFault("listen", p.relay.Serve(ctx, func(bound []relay.Bound) { listening <- bound }))
	})
	group.Go(func() error {
		select {
		case u.turn = <-listening:
		case <-ctx.Done():
			return nil
		}
		if err := u.serveRest(ctx, group, sig, log, issuers, operators); err != nil {
			return err
		}
		return announced(ctx, u)
	})
	group.Go(func() error { p.runDrain(ctx, sig, s.Drain, log, stop); return nil })
	return group.Wait()
}

// serveRest serves what is beside the relay, which listens.
func (u *up) serveRest(ctx context.Context, group *errgroup.Group, sig *signals, log *logs, issuers, operators httpListeners) error {
	p, s := u.parts, u.settings
	turn, _ := u.uris()
	p.uris.Store(&turn)
	if len(issuers) > 0 {
		door, err := newIssuer(u, log)
		if err != nil {
			return err
		}
		p.issuer.Store(door)
		issuers.serve(ctx, group, func() *http.Server { return strict(p.askers.guard(door.HTTPServer())) })
	}
	operator := operatorHandler(p)
	operators.serve(ctx, group, func() *http.Server { return metrics.HTTPServer(operator, log.Logger) })
	group.Go(func() error { p.heart.run(ctx, own(u.turn, s.Listen), p.relay.Sessions, log); return nil })
	group.Go(func() error { p.runReload(ctx, sig, log); return nil })
	group.Go(func() error { p.keepRevocations(ctx); return nil })
	logServing(log, u)
	return nil
}

// runDrain waits for the first signal, serves the running sessions until there
// are none or their time is over, and has everything stopped.
func (p *parts) runDrain(ctx context.Context, sig *signals, patience time.Duration, log *logs, stop func()) {
	defer stop()
	select {
	case <-sig.drain.Done():
	case <-ctx.Done():
		return
	}
	notify(log, stopping)
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	log.Info("draining", "sessions", p.relay.Sessions(), "at_most", patience.String(),
		"hint", "a second signal ends the running sessions now")
	left := p.relay.Drain(limited)
	log.Info("stopping", "sessions_ended", left)
}

func logServing(log *logs, u *up) {
	var at []string
	for _, b := range u.turn {
		at = append(at, b.Transport.String()+" "+b.Addr.String())
	}
	var relays []string
	for _, pool := range u.parts.pools {
		relays = append(relays, fmt.Sprintf("%s as %s, ports %d to %d", pool.Bind, pool.Public, pool.MinPort, pool.MaxPort))
	}
	st := u.parts.relay.Stats()
	log.Info("serving", "version", version(), "turn", at, "relays", relays,
		"issuer", words(u.issuer), "operator", words(u.operator),
		"data_plane", st.PlaneCaps.Name, "data_plane_uses", features(st.PlaneCaps))
	logPlane(log, st)
}

func words(list []endpoint) []string {
	all := []string{} // [] in the log, not null
	for _, e := range list {
		all = append(all, e.String())
	}
	return all
}
