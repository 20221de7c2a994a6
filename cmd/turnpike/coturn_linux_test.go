package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
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
)

// publicClient is the i-th address of clients, of 200.
func publicClient(i int) netip.Addr {
	a := publicNet.Addr().As4()
	a[3] = byte(20 + i%200)
	return netip.AddrFrom4(a)
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
listen: [{address: "%[1]s", transports: [udp, tcp, tls]}]
relay: %[6]s
tls: {certificate_file: cert.pem, key_file: key.pem}
credentials:
  shared_secrets: [{id: app, secret: %[3]s}]
  issuer_keys: [{id: k, secret: key-of-the-issuer-%[3]s}]
issuer: {listen: ["%[2]s:3480"], api_keys: [{id: app, hash: "sha256:%[4]x"}]}
operator: {listen: ["127.0.0.1:3481"]}
drain: {timeout: 0s}
%[5]s`, publicTURN, publicTURN.Addr(), secret, hashed.Hash, more, relay)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}

	s = &server{APIKey: api, Issuer: fmt.Sprintf("https://%s:3480", publicTURN.Addr()), MetricsURL: "http://127.0.0.1:3481/metrics",
		exited: make(chan struct{})}
	s.TURN.UDP = []netip.AddrPort{publicTURN}
	s.cmd = exec.Command(os.Getenv(binaryEnv), "serve", "--config", file)
	s.cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "TURNPIKE_") })
	s.cmd.Stdout, s.cmd.Stderr = &s.stdout, &s.stderr
	if err := s.cmd.Start(); err != nil {
		t.Fatalf("start turnpike: %v", err)
	}
	go s.runWait()
	t.Cleanup(func() { s.Stop(t) })
	s.waitLine(t, &s.stderr, "the line that says it serves", func(line string) bool { return strings.Contains(line, `"msg":"serving"`) })
	return s, secret
}

// uclient is one run of turnutils_uclient: two allocations, RTP and RTCP (with
// EVEN-PORT and RESERVATION-TOKEN), or four where clients meet each other, and
// one more to see whether the server redirects.
type uclient struct {
	transport string
	send      bool // Send and Data indications instead of channels
	meet      bool // client to client instead of client to peer

	user string
	cmd  *exec.Cmd
	out  bytes.Buffer
}

const (
	uclientMessages = 8
	uclientBytes    = 170
	// uclientPace is far apart. uclient takes a TLS record for one message; it
	// loses the second of two that came in one, as RFC 8446 §5.1 lets them.
	uclientPace = 250 * time.Millisecond
	// uclientTime bounds a run. It begins to send at random, within 6 s.
	uclientTime = 30 * time.Second
)

// coturn's own client relays by every transport, with channels and with
// indications, to a peer and to a client, and nothing is lost. Its figures,
// those of the records and the metrics are the same.
func TestCoturnClient(t *testing.T) {
	if !inPublic(t) {
		return
	}
	s, secret := startPublic(t, "compatibility: {rfc5766_channels: true}\n") // uclient binds any of them, at random
	if err := coturn(t, "turnutils_peer", "-L", publicPeer.String()).Start(); err != nil {
		t.Fatal(err)
	}
	var all []*uclient
	for _, transport := range []string{"udp", "tcp", "tls"} {
		for _, send := range []bool{false, true} {
			for _, meet := range []bool{false, true} {
				u := &uclient{transport: transport, send: send, meet: meet, user: fmt.Sprintf("user-%d", len(all))}
				u.start(t, s, secret, publicClient(len(all)))
				all = append(all, u)
			}
		}
	}
	for _, u := range all {
		t.Run(fmt.Sprintf("%s send=%t meet=%t", u.transport, u.send, u.meet), u.check)
	}
	checkUclientMetrics(t, s.Metrics(t), all)
	s.Stop(t)
	for _, u := range all {
		u.checkRecords(t, s.Records())
	}
}

// coturn is one of coturn's programs. It ends with the test at the latest.
func coturn(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("this test needs coturn's programs: make deps (%v)", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), uclientTime)
	cmd := exec.CommandContext(ctx, path, args...)
	t.Cleanup(func() {
		cancel()
		if cmd.ProcessState == nil {
			_ = cmd.Wait() // killed, or it never began
		}
	})
	return cmd
}

// start runs it, with a credential of the issuer where clients meet, and else
// with one that it makes itself of the shared secret.
func (u *uclient) start(t *testing.T, s *server, secret string, from netip.Addr) {
	t.Helper()
	args := []string{"-X", "-L", from.String(), "-p", strconv.Itoa(int(publicTURN.Port())),
		"-n", strconv.Itoa(uclientMessages), "-l", strconv.Itoa(uclientBytes), "-z", strconv.Itoa(int(uclientPace.Milliseconds()))}
	switch u.transport {
	case "tcp":
		args = append(args, "-t")
	case "tls":
		args = append(args, "-t", "-S") // it checks no certificate, with -E neither
	}
	if u.send {
		args = append(args, "-s")
	}
	if u.meet {
		c := s.Credential(t, u.user, time.Minute)
		args = append(args, "-y", "-u", c.Username, "-w", c.Password)
	} else {
		args = append(args, "-e", publicPeer.String(), "-u", u.user, "-W", secret)
	}
	u.cmd = coturn(t, "turnutils_uclient", append(args, publicTURN.Addr().String())...)
	u.cmd.Stdout, u.cmd.Stderr = &u.out, &u.out
	if err := u.cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

// messages is how many it sends, and should get.
func (u *uclient) messages() int64 {
	if u.meet {
		return 4 * uclientMessages
	}
	return 2 * uclientMessages
}

var (
	uclientTotals = regexp.MustCompile(`start_mclient: tot_send_msgs=(\d+), tot_recv_msgs=(\d+)\n.*tot_send_bytes ~ (\d+), tot_recv_bytes ~ (\d+)`)
	uclientLost   = regexp.MustCompile(`Total lost packets (\d+) .* total send dropped (\d+)`)
)

// check reads what it says of itself. The exit code alone tells little.
func (u *uclient) check(t *testing.T) {
	err := u.cmd.Wait()
	n, b := strconv.FormatInt(u.messages(), 10), strconv.FormatInt(u.messages()*uclientBytes, 10)
	totals, lost := uclientTotals.FindStringSubmatch(u.out.String()), uclientLost.FindStringSubmatch(u.out.String())
	if err != nil || totals == nil || lost == nil || !slices.Equal(totals[1:], []string{n, n, b, b}) || lost[1] != "0" || lost[2] != "0" {
		t.Errorf("%v; want %s messages of %s bytes each way, none lost\n%s", err, n, b, u.out.String())
	}
}

// checkRecords compares with the server's records of its user.
func (u *uclient) checkRecords(t *testing.T, all []record) {
	t.Helper()
	ports := map[uint16]bool{}
	var sum record
	for _, r := range all {
		if r.User != u.user {
			continue
		}
		if r.Transport != u.transport {
			t.Errorf("%s: a session by %s, want %s", u.user, r.Transport, u.transport)
		}
		ports[r.Relayed.Port()] = true
		sum.ToPeerPackets += r.ToPeerPackets
		sum.ToPeerBytes += r.ToPeerBytes
		sum.ToClientPackets += r.ToClientPackets
		sum.ToClientBytes += r.ToClientBytes
	}
	n, b := u.messages(), u.messages()*uclientBytes
	if sum.ToPeerPackets != n || sum.ToPeerBytes != b || sum.ToClientPackets != n || sum.ToClientBytes != b {
		t.Errorf("%s: recorded to peer %d (%d bytes), to client %d (%d bytes); want %d (%d bytes) each",
			u.user, sum.ToPeerPackets, sum.ToPeerBytes, sum.ToClientPackets, sum.ToClientBytes, n, b)
	}
	pairs := 0
	for p := range ports {
		if p%2 == 0 && ports[p+1] {
			pairs++
		}
	}
	if pairs == 0 {
		t.Errorf("%s: among the relayed ports %v is no even one with the next (RFC 8656 §18.6)", u.user, ports)
	}
}

// checkUclientMetrics compares with what all have sent.
func checkUclientMetrics(t *testing.T, got map[string]float64, all []*uclient) {
	t.Helper()
	want := map[string]float64{}
	for _, u := range all {
		for _, direction := range []string{"to_peer", "to_client"} {
			labels := fmt.Sprintf("{direction=%q,transport=%q}", direction, u.transport)
			want["turnpike_relay_packets_total"+labels] += float64(u.messages())
			want["turnpike_relay_bytes_total"+labels] += float64(u.messages() * uclientBytes)
		}
		if u.meet {
			want["turnpike_relay_handed_over_packets_total"] += float64(u.messages())
		}
	}
	for series, w := range want {
		if got[series] != w {
			t.Errorf("%s is %v, want %v", series, got[series], w)
		}
	}
}
