package main

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"turnpike/pkg/issuer"
	"turnpike/relay/relaytest"
)

// The network of tests against a configured server. Its addresses look public,
// so that the policy is the one that every server has.
var (
	publicNet  = netip.MustParsePrefix("93.184.216.0/24")
	publicTURN = netip.MustParseAddrPort("93.184.216.1:3478") // UDP, TCP and TLS
	publicPeer = netip.MustParseAddr("93.184.216.2")

	publicNet6  = netip.MustParsePrefix("2606:2800:220:1::/64")
	publicTURN6 = netip.MustParseAddrPort("[2606:2800:220:1::1]:3478")
	publicPeer6 = netip.MustParseAddr("2606:2800:220:1::2")
)

// publicClient is the i-th address of clients, of 200.
func publicClient(i int) netip.Addr {
	a := publicNet.Addr().As4()
	a[3] = byte(20 + i%200)
	return netip.AddrFrom4(a)
}

// publicClient6 is publicClient in IPv6.
func publicClient6(i int) netip.Addr {
	a := publicNet6.Addr().As16()
	a[15] = byte(20 + i%200)
	return netip.AddrFrom16(a)
}

// inPublic has the test run alone in the public network, and more, as
// InNamespace does.
func inPublic(t *testing.T, more ...netip.Prefix) bool {
	t.Helper()
	return inNetwork(t, relaytest.Namespace{Own: append([]netip.Prefix{publicNet}, more...)})
}

// inNetwork is InNamespace for a test of the binary.
func inNetwork(t *testing.T, ns relaytest.Namespace) bool {
	t.Helper()
	t.Setenv(binaryEnv, turnpike(t))
	return relaytest.InNamespace(t, ns)
}

// startPublic runs `turnpike serve --config`, with more in the file, and
// returns when it serves. secret is shared with it, as an application's is.
func startPublic(t *testing.T, more string) (s *server, secret string) {
	t.Helper()
	return startPublicRelay(t, publicRelay, more)
}

// publicRelay is the configuration's relay section, without its name.
var publicRelay = fmt.Sprintf("{addresses: [{bind: %s}]}", publicTURN.Addr())

// startPublicRelay is startPublic with another relay section.
func startPublicRelay(t *testing.T, relay, more string) (s *server, secret string) {
	t.Helper()
	return publicConfig{relay: relay, more: more}.start(t)
}

// startPublic6 is startPublic with listeners and relayed addresses of IPv6, too.
func startPublic6(t *testing.T, more string) (s *server, secret string) {
	t.Helper()
	return publicConfig{
		listeners: fmt.Sprintf(`, {address: "%s", transports: [udp, tcp, tls]}`, publicTURN6),
		relay:     fmt.Sprintf(`{addresses: [{bind: %s}, {bind: "%s"}]}`, publicTURN.Addr(), publicTURN6.Addr()),
		more:      more,
	}.start(t)
}

// publicConfig is what a test says of its server's configuration: more listeners,
// the relay section, and what comes behind all.
type publicConfig struct{ listeners, relay, more string }

func (c publicConfig) start(t *testing.T) (s *server, secret string) {
	t.Helper()
	dir := t.TempDir()
	cert, key, file := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), filepath.Join(dir, "turnpike.yaml")
	if err := writeCertificate(cert, key, publicTURN.Addr().String(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSL_CERT_FILE", cert) // read once, and this process is in the namespace for one test
	text := make([]byte, 32)
	rand.Read(text) // never fails
	secret = hex.EncodeToString(text)
	api, hashed, err := issuer.NewAPIKey(rand.Reader, "app")
	if err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf(`version: 1
listen: [{address: "%[1]s", transports: [udp, tcp, tls]}%[6]s]
relay: %[7]s
tls: {certificate_file: cert.pem, key_file: key.pem}
credentials:
  shared_secrets: [{id: app, secret: %[3]s}]
  issuer_keys: [{id: k, secret: key-of-the-issuer-%[3]s}]
issuer: {listen: ["%[2]s:3480"], api_keys: [{id: app, hash: "sha256:%[4]x", mints_per_minute: 0}]}
operator: {listen: ["127.0.0.1:3481"]}
drain: {timeout: 0s}
%[5]s`, publicTURN, publicTURN.Addr(), secret, hashed.Hash, c.more, c.listeners, c.relay)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}

	s = serveConfigured(t, file)
	s.APIKey, s.Issuer = api, fmt.Sprintf("https://%s:3480", publicTURN.Addr())
	s.TURN.UDP = []netip.AddrPort{publicTURN}
	return s, secret
}

// serveConfigured runs `turnpike serve --config` and returns when it serves. Its
// metrics are where public servers have them.
func serveConfigured(t *testing.T, file string) *server {
	t.Helper()
	s := &server{MetricsURL: "http://127.0.0.1:3481/metrics", exited: make(chan struct{})}
	s.cmd = exec.Command(turnpike(t), "serve", "--config", file)
	s.cmd.Env = bareEnv()
	s.cmd.Stdout, s.cmd.Stderr = &s.stdout, &s.stderr
	if err := s.cmd.Start(); err != nil {
		t.Fatalf("start turnpike: %v", err)
	}
	go s.runWait()
	t.Cleanup(func() { s.Stop(t) })
	s.waitLine(t, &s.stderr, "the line that says it serves", func(line string) bool { return strings.Contains(line, `"msg":"serving"`) })
	return s
}

// bareEnv is the environment without what would configure a server.
func bareEnv() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "TURNPIKE_") })
}

// relayedModes are the modes of uclient whose messages all come back:
// docs/coturn.md lists them.
func relayedModes() (all []*uclient) {
	peer6 := "-x -e " + publicPeer6.String()
	for _, transport := range []string{"udp", "tcp", "tls"} {
		for _, mode := range []string{"-X", "-X -s", "-X -y", "-X -s -y", peer6} {
			all = append(all, &uclient{transport: transport, mode: mode})
		}
		for _, mode := range []string{"-X", peer6 + " -s", "-x -y"} {
			all = append(all, &uclient{transport: transport, mode: mode, ipv6: true})
		}
	}
	return append(all,
		&uclient{transport: "udp"}, // asks for no family
		&uclient{transport: "udp", mode: "-c"},
		&uclient{transport: "tcp", mode: "-c -y"},
		&uclient{transport: "udp", mode: "-D"}, // pads ChannelData over UDP, too
		&uclient{transport: "udp", mode: "-G"}, // asks for peers at random, of the other family, too
		&uclient{transport: "tcp", mode: "-G -s"},
		&uclient{transport: "tls", mode: "-G -y"},
		&uclient{transport: "udp", mode: "-I"}, // no CreatePermission: a channel brings its own (RFC 8656 §12)
		&uclient{transport: "udp", mode: "-M"}, // MOBILITY-TICKET may be ignored (RFC 8016, RFC 8489 §14)
		&uclient{transport: "tcp", mode: "-M"},
		&uclient{transport: "udp", mode: "-a 100000"},              // BANDWIDTH and
		&uclient{transport: "udp", mode: "-o https://example.org"}, // ORIGIN may be ignored, too
		&uclient{transport: "udp", mode: "-J"},                     // RFC 7635, where a server offers it
		&uclient{transport: "udp", mode: "-g"},                     // DONT-FRAGMENT, in Allocate and Send
		&uclient{transport: "udp", mode: "-g -s"},
		&uclient{transport: "udp", mode: "-g -s " + peer6},
		&uclient{transport: "tcp", mode: "-g -s"},
		&uclient{transport: "udp", mode: "-g -s -y"},
		&uclient{transport: "udp", mode: "-N -s"}, // without channels -N differs in nothing
		&uclient{transport: "udp", mode: "-m 8 -n 40 -z 50", streams: 8, count: 40},
		&uclient{transport: "tcp", mode: "-m 8 -n 40 -z 100", streams: 8, count: 40},
		&uclient{transport: "udp", mode: "-m 8 -n 40 -z 50 -s -y", streams: 8, count: 40},
	)
}

// coturn's own client relays by every transport, with channels and with
// indications, to a peer and to a client, and nothing is lost. Its figures,
// those of the records and the metrics are the same.
func TestCoturnClient(t *testing.T) {
	if !inPublic(t, publicNet6) {
		return
	}
	s, secret := startPublic6(t, "compatibility: {rfc5766_channels: true}\n") // uclient binds any of them, at random
	startPeer(t, publicPeer, publicPeer6)
	all := relayedModes()
	for i, u := range all {
		u.start(t, s, secret, i)
	}
	for _, u := range all {
		t.Run(u.String(), u.check)
	}
	checkUclientMetrics(t, s.Metrics(t), all)
	s.Stop(t)
	for _, u := range all {
		u.checkRecords(t, s.Records())
	}
}

// coturn's STUN clients see the address that they came from.
func TestCoturnSTUNClient(t *testing.T) {
	if !inPublic(t, publicNet6) {
		return
	}
	s, _ := startPublic6(t, "")
	for _, at := range []struct{ from, to netip.Addr }{
		{publicClient(0), publicTURN.Addr()}, {publicClient6(0), publicTURN6.Addr()},
	} {
		seen := regexp.MustCompile(`UDP reflexive addr: ` + regexp.QuoteMeta(at.from.String()) + `:\d+\n`)
		for program, says := range map[string]*regexp.Regexp{
			"turnutils_stunclient":      seen,
			"turnutils_natdiscovery -m": regexp.MustCompile(`No NAT! \(Endpoint Independent Mapping\)`),
		} {
			name := strings.Fields(program)
			cmd, _ := coturn(t, name[0], append(name[1:], "-L", at.from.String(), at.to.String())...)
			if out, err := cmd.CombinedOutput(); err != nil || !says.Match(out) || !seen.Match(out) {
				t.Errorf("%s from %v: %v; want %q and %q\n%s", program, at.from, err, says, seen, out)
			}
		}
	}
	answers := `turnpike_stun_responses_total{code="success",method="binding"}`
	if got := s.Metrics(t)[answers]; got < 4 {
		t.Errorf("%s is %v, want 4 or more", answers, got)
	}
}
