package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"turnpike/pkg/metrics"
)

// up is a running server as its user needs to know it.
type up struct {
	settings *settings
	parts    *parts
	turn     []netip.AddrPort // listening, in the order of settings.Listen
	issuer   netip.AddrPort
	operator netip.AddrPort
}

// shutdownPatience is how long HTTP requests under way may take to end.
const shutdownPatience = 3 * time.Second

// run builds the server, serves, and stops when ctx ends. announced is called
// once everything listens.
func run(ctx context.Context, s *settings, log *slog.Logger, announced func(context.Context, *up) error) error {
	p, err := build(s, log)
	if err != nil {
		return err
	}

	// ---- Nothing above this line touches the machine. ----

	issuerListener, err := listen(s.IssuerAddr, s.OtherPorts)
	if err != nil {
		return fmt.Errorf("issuer: %w", err)
	}
	defer issuerListener.Close()
	operatorListener, err := listen(s.OperatorAddr, s.OtherPorts)
	if err != nil {
		return fmt.Errorf("health and metrics: %w", err)
	}
	defer operatorListener.Close()
	u := &up{settings: s, parts: p, issuer: tcpAddr(issuerListener), operator: tcpAddr(operatorListener)}
	p.services = []netip.AddrPort{u.issuer, u.operator}

	group, ctx := errgroup.WithContext(ctx)
	listening := make(chan []netip.AddrPort, 1)
	group.Go(func() error {
		return p.relay.Serve(ctx, func(at []netip.AddrPort) { listening <- at })
	})
	group.Go(func() error {
		select {
		case u.turn = <-listening:
		case <-ctx.Done():
			return nil
		}
		door, err := newIssuer(u, log)
		if err != nil {
			return err
		}
		p.issuer.Store(door)
		serveHTTP(ctx, group, door.HTTPServer(), newCapped(issuerListener, maxIssuerConns))
		serveHTTP(ctx, group, metrics.HTTPServer(operatorHandler(p), log), newCapped(operatorListener, maxOperatorConns))
		log.Info("serving", "version", version(), "turn_udp", u.turn, "issuer", u.issuer, "operator", u.operator,
			"data_plane", p.relay.Stats().DataPlane)
		return announced(ctx, u)
	})
	return group.Wait()
}

// serveHTTP serves until ctx ends, then lets requests under way finish.
func serveHTTP(ctx context.Context, group *errgroup.Group, srv *http.Server, l net.Listener) {
	group.Go(func() error {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownPatience)
		defer cancel()
		if srv.Shutdown(patience) != nil {
			return srv.Close()
		}
		return nil
	})
}

// listen opens a TCP listener, on another port if this one is taken and that
// is allowed.
func listen(at netip.AddrPort, otherPorts bool) (net.Listener, error) {
	l, err := net.Listen("tcp", at.String())
	if otherPorts && errors.Is(err, syscall.EADDRINUSE) {
		l, err = net.Listen("tcp", netip.AddrPortFrom(at.Addr(), 0).String())
	}
	return l, err
}

func tcpAddr(l net.Listener) netip.AddrPort { return l.Addr().(*net.TCPAddr).AddrPort() }
