package netpolicy

import (
	"net/netip"
	"testing"
)

// TestTableIsWhatIsJudged: the first address of every row is denied by the
// smallest row that holds it.
func TestTableIsWhatIsJudged(t *testing.T) {
	p, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	smallest := map[netip.Addr]Row{}
	for _, r := range Table() {
		if s, found := smallest[r.Prefix.Addr()]; !found || s.Prefix.Bits() < r.Prefix.Bits() {
			smallest[r.Prefix.Addr()] = r
		}
	}
	if len(smallest) < 50 {
		t.Errorf("only %d ranges", len(smallest))
	}
	for addr, r := range smallest {
		v := p.Permission(addr)
		if v.Allowed || v.Rule > r.Rule || r.Hard != r.Rule.hard() { // an address within may carry one of a severer rule
			t.Errorf("%v is judged %v, the table says %v", addr, v, r)
		}
	}
}
