package main

import (
	"fmt"
	"testing"

	"turnpike/relay/relaytest"
)

// The short round's floods are slow enough for a machine at work, and its
// budgets low enough to be used up.
const (
	shortRate    = 10000
	shortBudget  = 1000 // replies a second to all
	shortBurst   = 2000
	shortGrowth  = 20 << 10 // KB of the server's memory
	shortLoss    = 0.5      // one that is kept from its sessions loses nearly all; a starved machine some
	handshakes   = 64       // at the same time
	shortRaised  = "forged Allocates, raised limits"
	shortLimited = "limits: {all_challenges_per_second: 1000, all_challenges_burst: 2000}"
)

// One short round of what make proof measures: beside every flood 100 sessions
// go on to relay, strangers are answered as often as their budgets allow and no
// more, and memory stays. With raised limits the same flood is answered beyond
// them, so the check can fail.
func TestFloods(t *testing.T) {
	if !relaytest.InNamespace(t, relaytest.Namespace{StockPion: true}) {
		return
	}
	c := floodCells()[0]
	c.name, c.servers, c.base = "short", nil, "short, "+noFlood
	was := servers
	t.Cleanup(func() { servers = was })
	shorts := floodServers(shortRate, shortLimited)
	shorts = append(shorts, server{name: shortRaised, program: turnpike, flood: flood{forgedAllocates, shortRate}})
	for _, s := range shorts {
		s.name = "short, " + s.name
		servers, c.servers = append(servers, s), append(c.servers, s.name)
	}
	rs, _ := short(t, c)
	if len(rs) != len(shorts) {
		t.Fatalf("%d runs, want %d", len(rs), len(shorts))
	}
	for i, s := range shorts {
		err := withstood(s.flood, rs[i].Report)
		if s.name == shortRaised {
			if err == nil {
				t.Errorf("%s: %+v is within the budgets: the check can't fail", s.name, rs[i].Flood)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", s.name, err)
		}
	}
}

// withstood tells what is wrong with a run under a flood.
func withstood(f flood, r *report) error {
	switch {
	case r.Allocate.OK != sessions || r.Bad > 0:
		return fmt.Errorf("%d sessions, %d wrong packets", r.Allocate.OK, r.Bad)
	case r.Loss > shortLoss:
		return fmt.Errorf("the sessions lost %.0f %%", 100*r.Loss)
	case r.Process.RSSEnd-r.Process.RSSAllocated > shortGrowth:
		return fmt.Errorf("memory has grown by %.0f KB", r.Process.RSSEnd-r.Process.RSSAllocated)
	case f.kind == "":
		return nil
	case r.Flood == nil || r.Flood.Sent < f.rate/20:
		return fmt.Errorf("there was no flood to speak of: %+v", r.Flood)
	}
	return answered(f, r.Flood)
}

// answered checks how many of a flood's messages were answered.
func answered(f flood, did *flooded) error {
	least, most := 0, 0
	switch f.kind {
	case forgedAllocates, forgedBindings, forgedMACs:
		most = shortBurst + int(shortBudget*did.Seconds) + 1
		least = min(did.Sent, shortBurst) / 2 // the budget is there to be used
	case wrongMACs:
		most = 10 + int(did.Seconds) + 1 // failures_burst, failures_per_second
		least = 1
	case halfTLS: // what is closed makes room for what comes
		least, most = did.Sent/2-handshakes, did.Sent
	}
	if did.Replies < least || did.Replies > most {
		return fmt.Errorf("%d of %d were answered within %.2f s, want %d to %d", did.Replies, did.Sent, did.Seconds, least, most)
	}
	return nil
}

func TestParseFlood(t *testing.T) {
	f := flood{wrongMACs, 5}
	if got, err := parseFlood(f.args()[1:]); got != f || err != nil || !isFlood(append([]string{"versus"}, f.args()...)) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range [][]string{nil, {forgedMACs}, {forgedMACs, "x"}, {forgedMACs, "0"}, {"other", "1"}} {
		if f, err := parseFlood(bad); err == nil {
			t.Errorf("%q is %+v", bad, f)
		}
	}
	if isFlood([]string{"versus", "--cells", "flood"}) {
		t.Error("a comparison is taken for a flood")
	}
}

func TestDue(t *testing.T) {
	if got := due(50000, 1_500_000_000, 70000); got != 5000 {
		t.Errorf("%d are due, want 5000", got)
	}
}
