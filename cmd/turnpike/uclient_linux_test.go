package main

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// uclient is one run of turnutils_uclient: two allocations, RTP and RTCP (with
// EVEN-PORT and RESERVATION-TOKEN), or four where clients meet each other, and
// one more to see whether the server redirects.
type uclient struct {
	mode      string // flags, as one types them
	transport string
	ipv6      bool   // client and server talk over IPv6
	streams   int64  // of messages, RTP and RTCP apart; 0: what the mode makes of one client
	count     int64  // messages of each stream; 0: uclientMessages
	refused   string // what it says where it is refused; else all its messages come back
	lost      bool   // none of its messages comes back
	secret    string // shared, instead of the server's

	user string
	cmd  *exec.Cmd
	stop context.CancelFunc
	out  bytes.Buffer
}

const (
	uclientMessages = 8
	uclientBytes    = 170
	uclientPace     = 250 * time.Millisecond
	// uclientPaceTLS is far apart, as a machine under load may hold a message up
	// until the next one comes. uclient takes a TLS record for one message; it
	// loses the second of two that came in one, as RFC 8446 §5.1 lets them.
	uclientPaceTLS = time.Second
	// uclientTime bounds a run. It begins to send at random, within 6 s, waits
	// 10 s for messages that are lost, and asks 32 times with a wrong password:
	// for 22 s, as failures_per_second has it.
	uclientTime = 40 * time.Second
)

// coturn is one of coturn's programs. It ends when stop is called, and with the
// test at the latest.
func coturn(t *testing.T, name string, args ...string) (cmd *exec.Cmd, stop context.CancelFunc) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("this test needs coturn's programs: make deps (%v)", err)
	}
	ctx, stop := context.WithTimeout(context.Background(), uclientTime)
	cmd = exec.CommandContext(ctx, path, args...)
	t.Cleanup(func() {
		stop()
		if cmd.ProcessState == nil {
			_ = cmd.Wait() // killed, or it never began
		}
	})
	return cmd, stop
}

// startPeer runs coturn's echo server at the peers' addresses.
func startPeer(t *testing.T, at ...netip.Addr) {
	t.Helper()
	var args []string
	for _, a := range at {
		args = append(args, "-L", a.String())
	}
	cmd, _ := coturn(t, "turnutils_peer", args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

// start runs it from the i-th address of clients, with a credential of the
// issuer where clients meet, and else with one that it makes itself of the
// shared secret.
func (u *uclient) start(t *testing.T, s *server, secret string, i int) {
	t.Helper()
	from, to := publicClient(i), publicTURN
	if u.ipv6 {
		from, to = publicClient6(i), publicTURN6
	}
	u.user = fmt.Sprintf("user-%d", i)
	args := []string{"-L", from.String(), "-p", strconv.Itoa(int(to.Port())),
		"-n", strconv.Itoa(uclientMessages), "-l", strconv.Itoa(uclientBytes), "-z", milliseconds(uclientPace)}
	switch u.transport {
	case "tcp":
		args = append(args, "-t")
	case "tls":
		args = append(args, "-t", "-S", "-z", milliseconds(uclientPaceTLS)) // it checks no certificate, with -E neither
	}
	switch {
	case u.secret != "":
		args = append(args, "-e", publicPeer.String(), "-u", u.user, "-W", u.secret)
	case u.has("-y"):
		c := s.Credential(t, u.user, time.Minute)
		args = append(args, "-u", c.Username, "-w", c.Password)
	default:
		args = append(args, "-e", publicPeer.String(), "-u", u.user, "-W", secret)
	}
	args = append(args, strings.Fields(u.mode)...) // the last of a flag counts
	u.cmd, u.stop = coturn(t, "turnutils_uclient", append(args, to.Addr().String())...)
	u.cmd.Stdout, u.cmd.Stderr = &u.out, &u.out
	if err := u.cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

func (u *uclient) String() string {
	over := u.transport
	if u.ipv6 {
		over += " over IPv6"
	}
	return strings.Join(strings.Fields(over+" "+u.mode+" "+u.secret), " ")
}

func (u *uclient) has(flag string) bool { return slices.Contains(strings.Fields(u.mode), flag) }

// pairs reports whether it asks for pairs of ports.
func (u *uclient) pairs() bool { return !u.has("-c") && u.refused == "" }

// messages is how many it sends.
func (u *uclient) messages() int64 {
	streams, count := u.streams, u.count
	if streams == 0 {
		streams = 1
		if u.has("-y") {
			streams *= 2
		}
		if !u.has("-c") {
			streams *= 2
		}
	}
	if count == 0 {
		count = uclientMessages
	}
	return streams * count
}

// relayed is how many of them the server relays, each way.
func (u *uclient) relayed() int64 {
	if u.refused != "" || u.lost {
		return 0
	}
	return u.messages()
}

var (
	uclientTotals = regexp.MustCompile(`start_mclient: tot_send_msgs=(\d+), tot_recv_msgs=(\d+)\n.*tot_send_bytes ~ (\d+), tot_recv_bytes ~ (\d+)`)
	uclientLost   = regexp.MustCompile(`Total lost packets (\d+) .* total send dropped (\d+)`)
)

// check reads what it says of itself. The exit code alone tells little.
func (u *uclient) check(t *testing.T) {
	err := u.cmd.Wait()
	if u.refused != "" {
		if err == nil || !strings.Contains(u.out.String(), u.refused) || uclientTotals.Match(u.out.Bytes()) {
			t.Errorf("%v; want a failure that says %q\n%s", err, u.refused, u.out.String())
		}
		return
	}
	sent, back := u.messages(), u.relayed()
	want := []int64{sent, back, sent * uclientBytes, back * uclientBytes, sent - back, 0}
	got := slices.Concat(numbers(uclientTotals, u.out.String()), numbers(uclientLost, u.out.String()))
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v; messages sent and received, their bytes, lost, dropped: %v, want %v\n%s", err, got, want, u.out.String())
	}
}

// numbers are the groups of the pattern's first match.
func numbers(pattern *regexp.Regexp, in string) (all []int64) {
	groups := pattern.FindStringSubmatch(in)
	for i := 1; i < len(groups); i++ {
		n, _ := strconv.ParseInt(groups[i], 10, 64) // digits by the pattern
		all = append(all, n)
	}
	return all
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
			t.Errorf("%s: a session by %s, want %s", u, r.Transport, u.transport)
		}
		if r.Relayed.Addr().Is6() != u.has("-x") {
			t.Errorf("%s: the relayed address %v is of the other family", u, r.Relayed)
		}
		ports[r.Relayed.Port()] = true
		sum.ToPeerPackets += r.ToPeerPackets
		sum.ToPeerBytes += r.ToPeerBytes
		sum.ToClientPackets += r.ToClientPackets
		sum.ToClientBytes += r.ToClientBytes
	}
	n, b := u.relayed(), u.relayed()*uclientBytes
	if sum.ToPeerPackets != n || sum.ToPeerBytes != b || sum.ToClientPackets != n || sum.ToClientBytes != b {
		t.Errorf("%s: recorded to peer %d (%d bytes), to client %d (%d bytes); want %d (%d bytes) each",
			u, sum.ToPeerPackets, sum.ToPeerBytes, sum.ToClientPackets, sum.ToClientBytes, n, b)
	}
	pairs := 0
	for p := range ports {
		if p%2 == 0 && ports[p+1] {
			pairs++
		}
	}
	if u.pairs() && pairs == 0 {
		t.Errorf("%s: among the relayed ports %v is no even one with the next (RFC 8656 §18.6)", u, ports)
	}
}

// checkUclientMetrics compares with what all have sent.
func checkUclientMetrics(t *testing.T, got map[string]float64, all []*uclient) {
	t.Helper()
	want := map[string]float64{}
	for _, u := range all {
		for _, direction := range []string{"to_peer", "to_client"} {
			labels := fmt.Sprintf("{direction=%q,transport=%q}", direction, u.transport)
			want["turnpike_relay_packets_total"+labels] += float64(u.relayed())
			want["turnpike_relay_bytes_total"+labels] += float64(u.relayed() * uclientBytes)
		}
		if u.has("-y") {
			want["turnpike_relay_handed_over_packets_total"] += float64(u.relayed())
		}
	}
	for series, w := range want {
		if got[series] != w {
			t.Errorf("%s is %v, want %v", series, got[series], w)
		}
	}
}
