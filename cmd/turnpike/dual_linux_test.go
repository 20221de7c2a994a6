package main

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The second family of the test network.
var (
	publicNet6   = netip.MustParsePrefix("2a00:1450:4001::/64")
	publicRelay6 = netip.MustParseAddr("2a00:1450:4001::1")
	publicPeer6  = netip.MustParseAddr("2a00:1450:4001::2")
)

// startDual runs the server with relayed addresses of both families.
func startDual(t *testing.T) (s *server, secret string) {
	t.Helper()
	text := make([]byte, 32)
	rand.Read(text) // never fails
	secret = hex.EncodeToString(text)
	file := filepath.Join(t.TempDir(), "turnpike.yaml")
	config := fmt.Sprintf(`version: 1
listen: [{address: "%s", transports: [udp, tcp]}]
relay: {addresses: [{bind: %s}, {bind: "%s"}]}
credentials: {shared_secrets: [{id: app, secret: %s}]}
operator: {listen: ["127.0.0.1:3481"]}
compatibility: {rfc5766_channels: true}
drain: {timeout: 0s}
`, publicTURN, publicTURN.Addr(), publicRelay6, secret)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	s = &server{MetricsURL: "http://127.0.0.1:3481/metrics", exited: make(chan struct{})}
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

// dualRun is one run of turnutils_uclient with a dual allocation (-Z).
type dualRun struct {
	name string
	args []string
	meet bool // client to client
	uclient
}

// coturn's own client makes dual allocations, by UDP and TCP, with channels and with
// indications, refreshes them by family, and reaches a peer of either, or another
// such client, without loss.
func TestCoturnDual(t *testing.T) {
	if !inPublic(t, publicNet6) {
		return
	}
	s, secret := startDual(t)
	for _, ip := range []netip.Addr{publicPeer, publicPeer6} {
		if err := coturn(t, "turnutils_peer", "-L", ip.String()).Start(); err != nil {
			t.Fatal(err)
		}
	}
	to4, to6 := []string{"-e", publicPeer.String()}, []string{"-x", "-e", publicPeer6.String()}
	runs := []*dualRun{
		{name: "udp IPv4", args: to4}, {name: "udp IPv6", args: to6},
		{name: "udp IPv4 send", args: append([]string{"-s"}, to4...)}, {name: "udp IPv6 send", args: append([]string{"-s"}, to6...)},
		{name: "tcp IPv4", args: append([]string{"-t"}, to4...)}, {name: "tcp IPv6 send", args: append([]string{"-t", "-s"}, to6...)},
		{name: "udp meet", args: []string{"-y"}, meet: true}, {name: "tcp meet IPv6", args: []string{"-y", "-t", "-x"}, meet: true},
	}
	for i, r := range runs {
		r.user = fmt.Sprintf("dual-%d", i)
		args := append([]string{"-Z", "-L", publicClient(i).String(), "-p", fmt.Sprint(publicTURN.Port()),
			"-n", fmt.Sprint(uclientMessages), "-l", fmt.Sprint(uclientBytes), "-z", fmt.Sprint(uclientPace.Milliseconds()),
			"-u", r.user, "-W", secret}, r.args...)
		r.cmd = coturn(t, "turnutils_uclient", append(args, publicTURN.Addr().String())...)
		r.cmd.Stdout, r.cmd.Stderr = &r.out, &r.out
		if err := r.cmd.Start(); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range runs {
		t.Run(r.name, r.check)
	}
	s.Stop(t)
	for _, r := range runs {
		r.checkRecords(t, s.Records())
	}
}

// messages is how many it sends, and should get: -Z implies no RTCP.
func (r *dualRun) messages() int64 {
	if r.meet {
		return 2 * uclientMessages
	}
	return uclientMessages
}

func (r *dualRun) check(t *testing.T) {
	err := r.cmd.Wait()
	n, b := fmt.Sprint(r.messages()), fmt.Sprint(r.messages()*uclientBytes)
	totals, lost := uclientTotals.FindStringSubmatch(r.out.String()), uclientLost.FindStringSubmatch(r.out.String())
	if err != nil || totals == nil || lost == nil || !slices.Equal(totals[1:], []string{n, n, b, b}) || lost[1] != "0" || lost[2] != "0" {
		t.Errorf("%v; want %s messages of %s bytes each way, none lost\n%s", err, n, b, r.out.String())
	}
}

// checkRecords compares with the server's records of its user: each has an address
// of both families.
func (r *dualRun) checkRecords(t *testing.T, all []record) {
	t.Helper()
	var sum record
	for _, x := range all {
		if x.User != r.user {
			continue
		}
		if !x.Relayed.Addr().Is4() || x.RelayedAdditional.Addr() != publicRelay6 {
			t.Errorf("%s: relayed %s and %s", r.name, x.Relayed, x.RelayedAdditional)
		}
		sum.ToPeerPackets += x.ToPeerPackets
		sum.ToClientPackets += x.ToClientPackets
		sum.ToPeerBytes += x.ToPeerBytes
	}
	if n := r.messages(); sum.ToPeerPackets != n || sum.ToClientPackets != n || sum.ToPeerBytes != n*uclientBytes {
		t.Errorf("%s: recorded to peer %d (%d bytes), to client %d; want %d", r.name, sum.ToPeerPackets, sum.ToPeerBytes, sum.ToClientPackets, n)
	}
}
