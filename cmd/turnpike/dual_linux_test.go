package main

import (
	"fmt"
	"slices"
	"testing"
)

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
	s, secret := startPublic6(t, "compatibility: {rfc5766_channels: true}\n")
	startPeer(t, publicPeer, publicPeer6)
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
		r.cmd, r.stop = coturn(t, "turnutils_uclient", append(args, publicTURN.Addr().String())...)
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
		if !x.Relayed.Addr().Is4() || x.RelayedAdditional.Addr() != publicTURN6.Addr() {
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
