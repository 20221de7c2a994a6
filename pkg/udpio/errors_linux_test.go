package udpio

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// What ICMP tells of a closed port is told with the port, until it is not asked
// for any more.
func TestRecvErrors(t *testing.T) {
	for _, ip := range loopbacks {
		fd, _ := bound(t, ip)
		var to netip.AddrPort
		t.Run("closed", func(t *testing.T) { _, to = bound(t, ip) })
		out, in := NewOut(1, 1), NewIn(4, 0, InOptions{})
		send := func() (came bool) {
			out.Reset()
			out.Start(to)
			out.Part([]byte("anyone?"))
			if _, err := out.Send(fd, 0, 1); err != nil {
				t.Fatal(err)
			}
			n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd)}}, 0) // loopback tells at once
			return n == 1 && err == nil
		}
		if send() {
			t.Errorf("%s: an error came that nobody asked for", ip)
		}
		if err := EnableErrors(fd, ip.Is6()); err != nil {
			t.Fatal(err)
		}
		if !send() {
			t.Fatalf("%s: no error came", ip)
		}
		n, err := in.RecvErrors(fd, 4)
		e, ok := in.Error(0)
		kind, code := uint8(3), uint8(3)
		if ip.Is6() {
			kind, code = 1, 4
		}
		if n != 1 || err != nil || !ok || e.Type != kind || e.Code != code || in.Addr(0) != to {
			t.Errorf("%s: %d errors, %v; the first %+v about %s", ip, n, err, e, in.Addr(0))
		}
		if n, err := in.RecvErrors(fd, 4); n != 0 || err != unix.EAGAIN {
			t.Errorf("%s: %d more, %v", ip, n, err)
		}
		if err := DisableErrors(fd, ip.Is6()); err != nil {
			t.Fatal(err)
		}
		if send() {
			t.Errorf("%s: an error came that nobody asks for any more", ip)
		}
	}
}
