package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"turnpike/relay/relaytest/wire"
	"turnpike/relay/relaytest/wire/pure"
)

// Every case of the table of the wire (docs/wire.md), against the binary over
// UDP, TCP and TLS: the same bytes as of the gate alone (package pure).
func TestWireCases(t *testing.T) {
	if !inPublic(t, netip.MustParsePrefix("2600:1f18::/120")) {
		return
	}
	for _, over := range wire.Transports() {
		t.Run("usual", func(t *testing.T) { startWire(t, wire.Listener, "", "").run(t, over, wire.Usual) })
	}
	t.Run("full", func(t *testing.T) { // one port
		startWire(t, wire.Listener, ", min_port: 50000, max_port: 50000", "").run(t, wire.UDP, wire.Full)
	})
	t.Run("ipv6", func(t *testing.T) {
		b := startWire(t, wire.ListenerIPv6, "", "")
		for _, over := range wire.Transports() {
			b.run(t, over, wire.IPv6)
		}
	})
	t.Run("old", func(t *testing.T) {
		b := startWire(t, wire.Listener, "", "compatibility: {rfc5766_channels: true}\n")
		for _, over := range wire.Transports() {
			b.run(t, over, wire.Old)
		}
	})
	t.Run("draining", func(t *testing.T) {
		b := startWire(t, wire.Listener, "", "")
		b.run(t, wire.UDP, wire.Draining)
		<-b.s.exited // with its last session
		b.s.stop.Do(func() {})
		if b.s.exit != nil {
			t.Error(b.s.exit)
		}
	})
}

// wireBed is a server of the binary's and what the table must know of it.
type wireBed struct {
	s    *server
	wire *wire.Server
}

// startWire serves with the realm, the secret and the key of nonces of the table,
// with more keys under relay, and with more in the file.
func startWire(t *testing.T, listener netip.AddrPort, ports, more string) *wireBed {
	t.Helper()
	dir := t.TempDir()
	cert := filepath.Join(dir, "cert.pem")
	if err := writeCertificate(cert, filepath.Join(dir, "key.pem"), publicTURN.Addr().String(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	pools := fmt.Sprintf("{bind: %s}", wire.Listener.Addr())
	if listener == wire.ListenerIPv6 {
		pools += fmt.Sprintf(`, {bind: "%s"}`, listener.Addr())
	}
	config := fmt.Sprintf(`version: 1
realm: %s
listen: [{address: "%s", transports: [udp, tcp, tls]}]
relay: {addresses: [%s]%s}
tls: {certificate_file: cert.pem, key_file: key.pem}
credentials:
  shared_secrets: [{id: app, secret: %s}]
  nonce_key_file: nonce.key
roles: [{id: default, allocations: %d}]
operator: {listen: ["127.0.0.1:3481"]}
%s`, pure.Realm, listener, pools, ports, pure.Secret, wire.Quota, more)
	file := filepath.Join(dir, "turnpike.yaml")
	for name, text := range map[string][]byte{file: []byte(config), filepath.Join(dir, "nonce.key"): pure.NonceKey} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	nonces, err := pure.Nonces(time.Now)
	if err != nil {
		t.Fatal(err)
	}
	b := &wireBed{s: serveConfigured(t, file)}
	b.wire = &wire.Server{
		Realm: pure.Realm, Relay: wire.Listener.Addr(), RelayIPv6: wire.ListenerIPv6.Addr(), Users: pure.Users(time.Now()), Nonce: nonces,
		Dial: wire.Dialer(listener, trusting(t, cert), patience), Patience: patience,
		Peer: func(at netip.AddrPort) (net.PacketConn, error) {
			return net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
		},
		Drain: func() error {
			if err := b.s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				return err
			}
			b.s.WaitMetric(t, "turnpike_draining", 1)
			return nil
		},
	}
	return b
}

// trusting is the configuration of a client that trusts one certificate.
func trusting(t *testing.T, cert string) *tls.Config {
	t.Helper()
	text, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		t.Fatal("no certificate in " + cert)
	}
	return &tls.Config{RootCAs: pool, ServerName: publicTURN.Addr().String()}
}

// run plays all cases of a setting, one after the other.
func (b *wireBed) run(t *testing.T, over wire.Over, setting wire.Setting) {
	played := 0
	for i, c := range wire.Cases() {
		if c.Setting != setting || !c.Runs(over) {
			continue
		}
		played++
		t.Run(over.String()+"/"+c.Key(), func(t *testing.T) {
			if _, err := c.Run(b.wire, over, i); err != nil {
				t.Errorf("RFC %s: %v", c.RFC, err)
			}
		})
	}
	if played == 0 {
		t.Error("no case")
	}
}
