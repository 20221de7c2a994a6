package relaytest

import (
	"net/netip"
	"testing"
)

func TestEar(t *testing.T) {
	for _, at := range []string{"127.0.0.1", "0.0.0.0"} {
		t.Run(at, func(t *testing.T) {
			ear, err := NewEar(ListenUDP(t, netip.MustParseAddr(at)))
			if err != nil {
				t.Fatal(err)
			}
			if heard, err := ear.Heard(payload); heard || err != nil {
				t.Errorf("before anything was sent: %t, %v", heard, err)
			}
			to := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), ear.Addr().Port())
			for _, b := range [][]byte{[]byte("something else"), payload} {
				if err := ear.send(b, to); err != nil {
					t.Fatal(err)
				}
			}
			if heard, err := ear.Heard(payload); !heard || err != nil {
				t.Errorf("after it was sent: %t, %v", heard, err)
			}
		})
	}
}

func TestDeafEarIsAnError(t *testing.T) {
	conn := ListenUDP(t, netip.MustParseAddr("127.0.0.1"))
	ear, err := NewEar(conn)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := ear.Heard(payload); err == nil {
		t.Error("an ear that is closed says that nothing came")
	}
}
