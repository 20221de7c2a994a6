package relay

import (
	"net/netip"
	"testing"
)

// A network is what one customer is given at least, whatever form its address has.
func TestNetworkOf(t *testing.T) {
	for addr, want := range map[string]string{
		"93.184.216.34": "93.184.216.0/24", "::ffff:93.184.216.34": "93.184.216.0/24",
		"2001:db8:1:2ff::1": "2001:db8:1:200::/56", "fe80::1%eth0": "fe80::/56",
	} {
		if got := networkOf(netip.MustParseAddr(addr)); got.String() != want {
			t.Errorf("%s is in %s, want %s", addr, got, want)
		}
	}
	if got := networkOf(netip.Addr{}); got.IsValid() {
		t.Errorf("no address is in %s", got)
	}
}
