package udpio

import (
	"bytes"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// bound opens a socket on loopback.
func bound(t testing.TB, at netip.Addr) (fd int, addr netip.AddrPort) {
	t.Helper()
	family := unix.AF_INET6
	var sa unix.Sockaddr = &unix.SockaddrInet6{Addr: at.As16()}
	if at.Is4() {
		family, sa = unix.AF_INET, &unix.SockaddrInet4{Addr: at.As4()}
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, sa); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	switch name := name.(type) {
	case *unix.SockaddrInet4:
		return fd, netip.AddrPortFrom(at, uint16(name.Port))
	case *unix.SockaddrInet6:
		return fd, netip.AddrPortFrom(at, uint16(name.Port))
	}
	t.Fatalf("%T", name)
	return 0, addr
}

var loopbacks = []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")}

func TestBatches(t *testing.T) {
	for _, ip := range loopbacks {
		a, from := bound(t, ip)
		b, to := bound(t, ip)
		if err := EnablePktinfo(b, ip.Is6()); err != nil {
			t.Fatal(err)
		}
		in := NewIn(4, 100, InOptions{Head: 40, Tail: 3, Local: true})
		if _, err := in.Recv(b, 4); err != unix.EAGAIN {
			t.Fatalf("an empty socket: %v", err)
		}
		out := NewOut(4, 8)
		for i := range 4 {
			out.Start(to)
			out.Part([]byte("part "))
			out.Part(bytes.Repeat([]byte{'a'}, i*40))
			out.From(ip)
		}
		if !out.Full() || out.Len() != 4 {
			t.Fatalf("%d messages", out.Len())
		}
		if n, err := out.Send(a, 0, 4); n != 4 || err != nil {
			t.Fatal(n, err)
		}
		for _, most := range []int{3, 4} {
			n, err := in.Recv(b, most)
			if err != nil || n != min(most, 4) && n != 1 {
				t.Fatal(n, err)
			}
			first := most - 3
			first *= 3
			for i := range n {
				want := append([]byte("part "), bytes.Repeat([]byte{'a'}, (first+i)*40)...)
				cut := len(want) > 100
				want = want[:min(len(want), 100)]
				if !bytes.Equal(in.Bytes(i), want) || in.Addr(i) != from || in.Local(i) != ip || in.Segment(i) != 0 || in.Truncated(i) != cut {
					t.Errorf("%d: %q from %s to %s, cut %t", i, in.Bytes(i), in.Addr(i), in.Local(i), in.Truncated(i))
				}
				if buf := in.Buffer(i); !bytes.Equal(buf[40:40+len(want)], want) || len(buf) < 40+100+3 {
					t.Errorf("buffer of %d bytes", len(buf))
				}
			}
		}
	}
}

func TestSegments(t *testing.T) {
	for _, ip := range loopbacks {
		a, _ := bound(t, ip)
		if !CanSegment(a) {
			t.Fatal("this kernel has no UDP_SEGMENT (Linux 4.18)")
		}
		for _, gro := range []bool{false, true} {
			b, to := bound(t, ip)
			if gro {
				if err := EnableGRO(b); err != nil {
					t.Fatal(err)
				}
			}
			out := NewOut(1, 8)
			out.Start(to)
			for i := range 5 {
				out.Part(bytes.Repeat([]byte{byte(i)}, 100))
			}
			out.Part([]byte("tail"))
			out.Segment(100)
			out.From(ip)
			if n, err := out.Send(a, 0, 1); n != 1 || err != nil {
				t.Fatal(n, err)
			}
			in := NewIn(8, MaxMessage, InOptions{})
			n, err := in.Recv(b, 8)
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case gro && (n != 1 || in.Segment(0) != 100 || len(in.Bytes(0)) != 504):
				t.Errorf("%d messages, the first of %d bytes in segments of %d", n, len(in.Bytes(0)), in.Segment(0))
			case !gro && (n != 6 || string(in.Bytes(5)) != "tail" || in.Bytes(4)[99] != 4 || in.Segment(0) != 0):
				t.Errorf("%d messages, the last %q", n, in.Bytes(n-1))
			}
			if gro {
				if err := DisableGRO(b); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// What can't be sent is told apart from what the socket has no room for, and
// what is behind it can be sent all the same.
func TestPartOfABatch(t *testing.T) {
	a, _ := bound(t, loopbacks[0])
	b, to := bound(t, loopbacks[0])
	out := NewOut(3, 3)
	for i := range 3 {
		out.Start(to)
		out.Part(make([]byte, 1+i%2*70000))
	}
	if n, err := out.Send(a, 0, 3); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := out.Send(a, 1, 3); n != 0 || err != unix.EMSGSIZE {
		t.Fatal(n, err)
	}
	if n, err := out.Send(a, 2, 3); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	in := NewIn(4, 10, InOptions{})
	if n, err := in.Recv(b, 4); n != 2 || err != nil {
		t.Fatal(n, err)
	}
}

func TestBatchesAllocateNothing(t *testing.T) {
	a, from := bound(t, loopbacks[0])
	b, to := bound(t, loopbacks[0])
	in, out, payload := NewIn(8, 200, InOptions{}), NewOut(8, 8), make([]byte, 160)
	if n := testing.AllocsPerRun(500, func() {
		out.Reset()
		for range 4 {
			out.Start(to)
			out.Part(payload)
		}
		if n, err := out.Send(a, 0, 4); n != 4 || err != nil {
			t.Fatal(n, err)
		}
		n, err := in.Recv(b, 8)
		if n != 4 || err != nil {
			t.Fatal(n, err)
		}
		for i := range n {
			if in.Addr(i) != from || in.Segment(i) != 0 {
				t.Fatal(in.Addr(i))
			}
		}
		if _, err := in.Recv(b, 8); err != unix.EAGAIN {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a batch", n)
	}
}
