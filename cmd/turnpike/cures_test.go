package main

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"turnpike/relay"
	"turnpike/relay/stream"
)

// An address that can't be opened is told with the key that names it and what
// to do, and is still the error it was.
func TestListenFault(t *testing.T) {
	for is, want := range map[syscall.Errno]string{
		syscall.EADDRINUSE: "ss -lntup tells which): end that one, or change issuer.listen", syscall.EADDRNOTAVAIL: "an address of this host in issuer.listen",
		syscall.EACCES: "CAP_NET_BIND_SERVICE", syscall.ENOENT: "make the folder", syscall.EMFILE: "LimitNOFILE",
	} {
		err := listenFault("issuer.listen", fmt.Errorf("listen: %w", is))
		if !errors.Is(err, is) || !strings.HasPrefix(err.Error(), "listen: "+is.Error()+"; ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%v", err)
		}
	}
	if other := errors.New("other"); listenFault("listen", other) != other || listenFault("listen", nil) != nil {
		t.Error("what has no cure is not as it was")
	}
}

func TestFewDescriptorsAreWarnedOf(t *testing.T) {
	s := &settings{
		Streams: stream.Options{MaxConns: 1000},
		Relays:  []relayAddr{{Pool: relay.Pool{MinPort: 2000, MaxPort: 2999}}, {Pool: relay.Pool{MinPort: 65535, MaxPort: 65535}}},
	}
	for _, c := range []struct {
		listener relay.Listener
		most     uint64
	}{
		{relay.Listener{UDP: true}, 1001 + spareFiles},
		{relay.Listener{TCP: true}, 2001 + spareFiles},
		{relay.Listener{TLS: true}, 2001 + spareFiles},
	} {
		c.listener.Addr = netip.MustParseAddrPort("10.0.0.1:3478")
		s.Listen = []relay.Listener{c.listener}
		for limit, warned := range map[uint64]bool{c.most: false, c.most - 1: true} {
			var b bytes.Buffer
			s.Streams.MaxConns = 1000
			fitFiles(slog.New(slog.NewTextHandler(&b, nil)), s, limit)
			if got := strings.Contains(b.String(), fmt.Sprintf("limit=%d configured_for=%d", limit, c.most)); got != warned {
				t.Errorf("%+v with %d descriptors: %q", c.listener, limit, b.String())
			}
		}
	}
	for _, c := range []struct {
		limit uint64
		conns int
	}{{3000, 1000}, {2000, 1000}, {1998, 999}, {600, 300}, {1, 1}} {
		s.Streams.MaxConns = 1000
		fitFiles(slog.New(slog.DiscardHandler), s, c.limit)
		if s.Streams.MaxConns != c.conns {
			t.Errorf("%d connections with %d descriptors, want %d", s.Streams.MaxConns, c.limit, c.conns)
		}
	}
	if limit, err := fileLimit(); err != nil || limit < 100 {
		t.Error(limit, err)
	}
}
