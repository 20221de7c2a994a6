package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"turnpike/pkg/issuer"
	"turnpike/pkg/probe"
	"turnpike/relay/relaytest"
)

var acmeTURN = netip.AddrPortFrom(publicTURN.Addr(), 443)

// acmeBed is a server that gets its certificates of a pebble.
type acmeBed struct {
	*server
	ca      *pebble
	file    string // its configuration
	trusted *x509.CertPool
}

// newACMEBed has everything ready but the server itself, whose listeners besides
// one for UDP, hosts and issuer's port these are.
func newACMEBed(t *testing.T, listeners, hosts, issuerPort string) *acmeBed {
	t.Helper()
	b := &acmeBed{server: &server{}, ca: newPebble(t, 15, publicTURN.Addr().String()), file: filepath.Join(t.TempDir(), "turnpike.yaml")}
	api, hashed, err := issuer.NewAPIKey(rand.Reader, "app")
	badConfigCheck(t, err)
	config := fmt.Sprintf(`version: 1
listen: [{address: "%s", transports: [udp]}%s]
relay: %s
acme: {hosts: [%s], email: ops@example.org, directory_url: "%s", accept_terms: true, cache_directory: acme}
credentials: {issuer_keys: [{id: k, secret: key-of-the-issuer-of-more-than-32-bytes-5uD8}]}
issuer: {listen: ["%s:%s"], api_keys: [{id: app, hash: "sha256:%x"}]}
drain: {timeout: 0s}
`, publicTURN, listeners, publicRelay, hosts, pebbleDirectory, publicTURN.Addr(), issuerPort, hashed.Hash)
	badConfigCheck(t, os.WriteFile(b.file, []byte(config), 0o600))
	b.APIKey = api
	b.trusted = b.ca.start(t)
	return b
}

// serve runs the server.
func (b *acmeBed) serve(t *testing.T) {
	t.Helper()
	api := b.APIKey
	b.server = serveConfigured(t, b.file)
	b.APIKey = api
}

// told waits for the n-th line of a host with some words.
func (b *acmeBed) told(t *testing.T, n int, words, host string) {
	t.Helper()
	seen := 0
	b.waitLine(t, &b.stderr, fmt.Sprintf("line %d of %s: %s", n, host, words), func(line string) bool {
		if strings.Contains(line, words) && strings.Contains(line, `"host":"`+host+`"`) {
			seen++
		}
		return seen == n
	})
}

// dial is a client that trusts the authority and nobody else.
func (b *acmeBed) dial(t *testing.T, at netip.AddrPort, name string, protocols ...string) (*tls.Conn, error) {
	t.Helper()
	dialer := &net.Dialer{Timeout: patience}
	c, err := tls.DialWithDialer(dialer, "tcp", at.String(), &tls.Config{ServerName: name, RootCAs: b.trusted, NextProtos: protocols})
	if err == nil {
		t.Cleanup(func() { c.Close() })
	}
	return c, err
}

func (b *acmeBed) mustDial(t *testing.T, at netip.AddrPort, name string, protocols ...string) *tls.Conn {
	t.Helper()
	c, err := b.dial(t, at, name, protocols...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// credential asks the issuer over HTTPS, at a port of its name.
func (b *acmeBed) credential(t *testing.T, port string) relaytest.User {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: b.trusted}, ForceAttemptHTTP2: true, DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort(publicTURN.Addr().String(), port))
		}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://issuer.example.org:"+port+"/v1/credentials", strings.NewReader(`{"user":"alice"}`))
	badConfigCheck(t, err)
	req.Header.Set("Authorization", "Bearer "+b.APIKey)
	req.Header.Set("Content-Type", "application/json")
	resp, err := (&http.Client{Transport: transport, Timeout: patience}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct{ Username, Password string }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Username == "" || resp.ProtoMajor != 2 {
		t.Fatalf("%s %s: %v, %+v", resp.Proto, resp.Status, err, answer)
	}
	if got := resp.Header.Get("Strict-Transport-Security"); got != "max-age=63072000" {
		t.Errorf("Strict-Transport-Security: %q", got)
	}
	return relaytest.User{Name: answer.Username, Password: answer.Password}
}

// TestACME has the server get, use and renew certificates of Let's Encrypt's own
// test authority, which really validates: over TLS-ALPN-01, on port 443.
func TestACME(t *testing.T) {
	t.Setenv(pebbleEnv, pebblePrograms(t))
	if !inPublic(t) {
		return
	}
	b := newACMEBed(t, fmt.Sprintf(`, {address: "%s", transports: [tls]}`, acmeTURN), "turn.example.org, issuer.example.org, elsewhere.example.org", "3480")
	b.ca.points(t, "elsewhere.example.org", publicPeer.String())
	b.serve(t)
	b.told(t, 1, "new certificate", "turn.example.org")
	b.told(t, 1, "new certificate", "issuer.example.org")
	b.told(t, 1, "certificate authority of section acme has failed", "elsewhere.example.org")

	c := b.mustDial(t, acmeTURN, "turn.example.org", "stun.turn")
	alice := relaytest.NewClient(scriptStream{c}, acmeTURN, b.credential(t, "3480"))
	alice.Timeout = patience
	allocated := func(what string, r relaytest.Response, err error) {
		t.Helper()
		if err != nil || !r.OK() {
			t.Fatalf("%s: %v %v", what, r, err)
		}
	}
	r, err := alice.Allocate()
	allocated("an allocation over turns:", r, err)

	t.Run("names", b.checkNames)
	t.Run("unready", b.checkUnready)
	t.Run("kept", b.checkKept)

	first := c.ConnectionState().PeerCertificates[0]
	b.told(t, 2, "new certificate", "turn.example.org")
	second := b.mustDial(t, acmeTURN, "turn.example.org").ConnectionState().PeerCertificates[0]
	if bytes.Equal(first.Raw, second.Raw) || bytes.Equal(first.RawSubjectPublicKeyInfo, second.RawSubjectPublicKeyInfo) {
		t.Error("after the renewal the certificate or its key is the one before")
	}
	r, err = alice.Refresh(600)
	allocated("the call beside the renewal", r, err)
	t.Run("authority is down", b.checkDown)
	t.Run("kept at the start", b.checkStart)
	for _, line := range b.ca.log.all() {
		if strings.Contains(line, "foreign.example.org") {
			t.Errorf("the authority was asked for a foreign name: %s", line)
		}
	}
}

// TestACMEAtTheIssuer: where the issuer has port 443, it answers the authority.
func TestACMEAtTheIssuer(t *testing.T) {
	t.Setenv(pebbleEnv, pebblePrograms(t))
	if !inPublic(t) {
		return
	}
	b := newACMEBed(t, "", "issuer.example.org", "443")
	b.serve(t)
	b.told(t, 1, "new certificate", "issuer.example.org")
	b.credential(t, "443")
	eventually(t, "the server to be ready", func() bool {
		return probe.Health(t.Context(), "http://127.0.0.1:3481", "/readyz") == nil
	})
}

// TestACMEWithoutAuthority: a server that has no certificate yet serves what needs
// none, and says why it is not ready.
func TestACMEWithoutAuthority(t *testing.T) {
	t.Setenv(pebbleEnv, pebblePrograms(t))
	if !inPublic(t) {
		return
	}
	b := newACMEBed(t, fmt.Sprintf(`, {address: "%s", transports: [tls]}`, acmeTURN), "turn.example.org", "3480")
	b.ca.stop()
	b.serve(t)
	b.told(t, 1, "connection refused", "turn.example.org")
	get(t, "http://127.0.0.1:3481/readyz", http.StatusServiceUnavailable, "no certificate for turn.example.org: account at "+pebbleDirectory)
	if _, err := probe.Binding(t.Context(), "udp", publicTURN, probe.Options{}); err != nil {
		t.Errorf("over UDP: %v", err)
	}
	if _, err := b.dial(t, acmeTURN, ""); err == nil {
		t.Error("a handshake without a certificate")
	}
	if left, there := b.Metrics(t)[`turnpike_tls_certificate_not_after_seconds{name="relay"}`]; !there || left != 0 {
		t.Errorf("it expires at %v (exists: %v), want 0", left, there)
	}
	b.trusted = b.ca.start(t)
	badConfigCheck(t, b.cmd.Process.Signal(syscall.SIGHUP))
	eventually(t, "the server to be ready", func() bool {
		return probe.Health(t.Context(), "http://127.0.0.1:3481", "/readyz") == nil
	})
	b.mustDial(t, acmeTURN, "turn.example.org")
}

// Whom clients name decides which certificate they get, and never who is asked.
func (b *acmeBed) checkNames(t *testing.T) {
	for name, want := range map[string]string{"turn.example.org": "turn.example.org", "ISSUER.example.org": "issuer.example.org"} {
		if got := b.mustDial(t, acmeTURN, name).ConnectionState().PeerCertificates[0].DNSNames[0]; got != want {
			t.Errorf("%s gets the certificate of %s", name, got)
		}
	}
	for name, want := range map[string]string{"": "turn.example.org", "foreign.example.org": "turn.example.org", "elsewhere.example.org": ""} {
		c, err := tls.Dial("tcp", acmeTURN.String(), &tls.Config{ServerName: name, InsecureSkipVerify: true})
		if err != nil {
			if want != "" {
				t.Errorf("%q: %v", name, err)
			}
			continue
		}
		if got := c.ConnectionState().PeerCertificates[0].DNSNames[0]; got != want {
			t.Errorf("%q gets the certificate of %s, want %q", name, got, want)
		}
		c.Close()
	}
	for _, protocols := range [][]string{{"http/1.1"}, {"acme-tls/1"}, {"acme-tls/1", "h2"}} {
		if _, err := b.dial(t, acmeTURN, "turn.example.org", protocols...); err == nil {
			t.Errorf("%q is served on the TURN port", protocols)
		}
	}
	m := b.Metrics(t)
	for series, least := range map[string]float64{
		"turnpike_acme_unknown_names_total": 1, `turnpike_acme_orders_total{result="issued"}`: 2, `turnpike_acme_orders_total{result="failed"}`: 1,
		`turnpike_stream_closed_total{reason="validated"}`: 2, `turnpike_tls_certificate_not_after_seconds{name="issuer"}`: 0,
	} {
		if got, there := m[series]; !there || got < least {
			t.Errorf("%s is %v, want %v or more", series, got, least)
		}
	}
}

// A host that is not proved is told of; the others are served.
func (b *acmeBed) checkUnready(t *testing.T) {
	get(t, "http://127.0.0.1:3481/readyz", http.StatusServiceUnavailable, "no certificate for elsewhere.example.org: ")
}

// What is kept is for the server's user alone.
func (b *acmeBed) checkKept(t *testing.T) {
	files := 0
	err := filepath.WalkDir(filepath.Join(filepath.Dir(b.file), "acme"), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has the mode %v", path, info.Mode())
		}
		if !d.IsDir() {
			files++
		}
		return err
	})
	if err != nil || files != 3 { // the account's key, and two hosts
		t.Errorf("%d files: %v", files, err)
	}
}

// While the authority is down the certificate before is served. A new authority
// that has lost the account is asked at once when the operator says so.
func (b *acmeBed) checkDown(t *testing.T) {
	b.ca.stop()
	b.told(t, 1, "connection refused", "turn.example.org")
	b.mustDial(t, acmeTURN, "turn.example.org", "stun.turn")
	b.trusted = b.ca.start(t)
	badConfigCheck(t, b.cmd.Process.Signal(syscall.SIGHUP))
	b.waitLine(t, &b.stderr, "the reload", func(line string) bool { return strings.Contains(line, `"msg":"reloaded"`) })
	b.told(t, 3, "new certificate", "turn.example.org")
	b.mustDial(t, acmeTURN, "turn.example.org", "stun.turn")
}

// A server that starts without the authority serves what is kept.
func (b *acmeBed) checkStart(t *testing.T) {
	b.Stop(t)
	b.ca.stop()
	b.serve(t)
	b.mustDial(t, acmeTURN, "turn.example.org", "stun.turn")
}
