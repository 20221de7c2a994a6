package main

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// publicOther is where the server at publicTURN sends everybody in these tests:
// on the same host, as then clients come there from the same address, and relaying
// from another.
var (
	publicOther      = netip.AddrPortFrom(publicTURN.Addr(), 3479)
	publicOtherRelay = netip.MustParseAddr("93.184.216.3")
)

// redirecting are a server that sends all clients to another, and that one, which
// takes the same credentials and, of one address and port, the same nonces. Both
// offer SHA-256, which must not trouble clients that know nothing of it.
type redirecting struct {
	first, second *server
	secret        string
}

func startRedirecting(t *testing.T) (r redirecting) {
	t.Helper()
	text := make([]byte, 32)
	rand.Read(text) // never fails
	r.secret = hex.EncodeToString(text)
	key := filepath.Join(t.TempDir(), "nonce.key")
	badConfigCheck(t, os.WriteFile(key, []byte(hex.EncodeToString(text[:16])+"nonce"), 0o600))
	common := fmt.Sprintf("credentials: {shared_secrets: [{id: app, secret: %s}], nonce_key_file: %s, password_algorithms: [sha256, md5]}\n", r.secret, key)
	r.first = startRedirected(t, publicTURN, publicTURN.Addr(), 3481, common+fmt.Sprintf("redirect: {when: [always], servers: [%q]}\n", publicOther))
	r.second = startRedirected(t, publicOther, publicOtherRelay, 3482, common)
	return r
}

func startRedirected(t *testing.T, at netip.AddrPort, relays netip.Addr, operator int, more string) *server {
	t.Helper()
	file := filepath.Join(t.TempDir(), "turnpike.yaml")
	badConfigCheck(t, os.WriteFile(file, fmt.Appendf(nil, `version: 1
listen: [{address: "%s"}]
relay: {addresses: [{bind: %s}]}
operator: {listen: ["127.0.0.1:%d"]}
drain: {timeout: 0s}
compatibility: {rfc5766_channels: true}
%s`, at, relays, operator, more), 0o600))
	s := &server{MetricsURL: fmt.Sprintf("http://127.0.0.1:%d/metrics", operator), exited: make(chan struct{})}
	s.cmd = exec.Command(os.Getenv(binaryEnv), "serve", "--config", file)
	s.cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "TURNPIKE_") })
	s.cmd.Stdout, s.cmd.Stderr = &s.stdout, &s.stderr
	badConfigCheck(t, s.cmd.Start())
	go s.runWait()
	t.Cleanup(func() { s.Stop(t) })
	s.waitLine(t, &s.stderr, "the line that says it serves", func(line string) bool { return strings.Contains(line, `"msg":"serving"`) })
	return s
}

// Chromium goes where a 300 sends it over UDP, if the nonce that it has is good
// there: it asks with that one, and takes a 438 to an Allocate for the end.
func TestBrowserRedirected(t *testing.T) {
	if !inPublic(t) {
		return
	}
	r := startRedirecting(t)
	p := openPage(t)
	name := fmt.Sprintf("%d:alice", time.Now().Add(time.Minute).Unix())
	mac := hmac.New(sha1.New, []byte(r.secret))
	io.WriteString(mac, name)
	got := call[gathered](t, p, "gather", map[string]any{"iceTransportPolicy": "relay", "iceServers": []any{map[string]any{
		"urls": fmt.Sprintf("turn:%s?transport=udp", publicTURN), "username": name, "credential": base64.StdEncoding.EncodeToString(mac.Sum(nil)),
	}}}, "relay")
	if len(got.Candidates) == 0 || len(got.Errors) != 0 || !strings.Contains(strings.Join(got.Candidates, "\n"), publicOtherRelay.String()) {
		t.Errorf("%+v, want a relay at %s", got, publicOtherRelay)
	}
	r.first.WaitMetric(t, `turnpike_allocations_total{result="redirected"}`, 1)
	r.second.WaitMetric(t, `turnpike_allocations_total{result="success"}`, 1)
}

// coturn's own client goes there over UDP and TCP, and relays.
func TestCoturnClientRedirected(t *testing.T) {
	if !inPublic(t) {
		return
	}
	r := startRedirecting(t)
	startPeer(t, publicPeer)
	var all []*uclient
	for i, transport := range []string{"udp", "tcp"} {
		u := &uclient{transport: transport}
		u.start(t, r.first, r.secret, i)
		all = append(all, u)
	}
	for _, u := range all {
		t.Run(u.transport, u.check)
	}
	if got := r.first.Metrics(t); got[`turnpike_allocations_total{result="success"}`] != 0 || got[`turnpike_allocations_total{result="redirected"}`] == 0 {
		t.Errorf("%v allocations where nobody stays", got[`turnpike_allocations_total{result="success"}`])
	}
	r.second.Stop(t)
	for _, u := range all {
		u.checkRecords(t, r.second.Records())
	}
}
