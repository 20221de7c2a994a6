package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"turnpike/auth"
	"turnpike/pkg/certs"
	"turnpike/pkg/issuer"
	"turnpike/ratelimit"
	"turnpike/relay"
)

// Where a development server listens if nothing else does.
const (
	devTURN     = 3478 // RFC 8656 §3.1
	devIssuer   = 3480
	devOperator = 3481
)

// serveDev runs a development server, and again with other ports if another
// process took the TURN port after it was found free.
func serveDev(sig *signals, log *logs, announced func(context.Context, *up) error) error {
	for {
		s, err := devSettings()
		if err != nil {
			return err
		}
		err = run(s, sig, log, announced)
		if s.Listen[0].Addr.Port() == 0 || !errors.Is(err, syscall.EADDRINUSE) {
			return err
		}
	}
}

// devSettings are those of a development server: loopback only, fresh secrets,
// nothing kept. The policy is the one of any server, which opens nothing of
// this host but live relay ports: two clients of this server can talk. Nothing
// beyond this host is reached either, because relay sockets are bound to
// loopback.
func devSettings() (*settings, error) {
	loopback := netip.MustParseAddr("127.0.0.1")
	secret, err := auth.NewRandomSecret(rand.Reader)
	if err != nil {
		return nil, err
	}
	plain, key, err := issuer.NewAPIKey(rand.Reader, "dev")
	if err != nil {
		return nil, err
	}
	nonceKey := make([]byte, 32)
	rand.Read(nonceKey) // never fails
	turn, err := freePort(netip.AddrPortFrom(loopback, devTURN))
	if err != nil {
		return nil, err
	}
	certificate, err := certs.SelfSigned([]string{loopback.String(), "localhost"}, time.Now())
	if err != nil {
		return nil, err
	}
	return &settings{
		Realm:       "turnpike",
		Listen:      []relay.Listener{{Addr: turn, UDP: true, TCP: true, TLS: true}},
		Relays:      []relayAddr{{Pool: relay.Pool{Bind: loopback, Public: loopback, MinPort: 49152, MaxPort: 65535}, Source: "development", fault: devFault}},
		Certificate: certificate,
		MinTLS:      tls.VersionTLS12,
		NonceKey:    nonceKey,
		Keyring: auth.Options{
			Keys: []auth.Key{{ID: "dev", Secret: secret}}, Issue: "dev", Roles: []auth.Role{auth.DefaultRole()},
		},
		Limits: limitSettings{
			Replies:  ratelimit.BudgetOptions{Source: perSecond(50, 200), Network: perSecond(500, 2000), All: perSecond(20000, 40000)},
			Failures: perSecond(1, 10),
		},
		Issuer: issuerSettings{
			Listen: []endpoint{devEndpoint(loopback, devIssuer)}, Keys: []issuer.APIKey{key},
		},
		Operator:   []endpoint{devEndpoint(loopback, devOperator)},
		OtherPorts: true,
		DevKey:     plain,
	}, nil
}

func devEndpoint(addr netip.Addr, port uint16) endpoint {
	return endpoint{network: "tcp", address: netip.AddrPortFrom(addr, port).String()}
}

// freePort answers the address itself, or with port 0 (any) if it is taken for
// UDP or TCP.
func freePort(at netip.AddrPort) (netip.AddrPort, error) {
	udp, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err == nil {
		defer udp.Close()
		var tcp net.Listener
		if tcp, err = net.Listen("tcp", at.String()); err == nil {
			return at, tcp.Close()
		}
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return netip.AddrPortFrom(at.Addr(), 0), nil
	}
	return at, err
}

func devFault(reason, cure string) error { return fmt.Errorf("%s; %s", reason, cure) }
