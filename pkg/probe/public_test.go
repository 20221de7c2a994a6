package probe

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// liar tells every client that it is seen from at.
func liar(t *testing.T, at string) string {
	t.Helper()
	return udpAnswers(t, func(_ netip.AddrPort, request []byte) [][]byte {
		return [][]byte{success(request, at)}
	}).String()
}

func TestPublicAddr(t *testing.T) {
	local := netip.MustParseAddr("127.0.0.2")
	var from atomic.Pointer[netip.AddrPort]
	good := udpAnswers(t, func(client netip.AddrPort, request []byte) [][]byte {
		from.Store(&client)
		return [][]byte{success(request, "8.8.4.4:5")}
	})
	last := udpAnswers(t, func(netip.AddrPort, []byte) [][]byte {
		t.Error("a server behind the one that answered was asked")
		return nil
	})
	byName := fmt.Sprintf("localhost:%d", good.Port())
	servers := []string{
		"turn.example",                 // no port
		"127.0.0.1:http",               // no number
		"127.0.0.1:0",                  //
		"127.0.0.1:1",                  // nobody there
		"[::1]:3478",                   // not of local's family
		liar(t, "127.0.0.2:5"),         // what it sees, and not public
		liar(t, "10.0.0.1:5"),          //
		liar(t, "100.64.0.1:5"),        //
		liar(t, "169.254.169.254:5"),   //
		liar(t, "[2600::1]:5"),         // public, and of another family
		liar(t, "[::ffff:10.0.0.2]:5"), //
		liar(t, "[64:ff9b::a00:1]:5"),  //
		liar(t, "224.0.0.1:5"),         //
	}
	addr, source, err := PublicAddr(t.Context(), local, append(servers, byName, last.String()))
	if err != nil || addr.String() != "8.8.4.4" || source != byName {
		t.Errorf("%v from %q, %v", addr, source, err)
	}
	if from.Load().Addr() != local {
		t.Errorf("asked from %v, want %v", from.Load(), local)
	}
	addr, source, err = PublicAddr(t.Context(), local, servers)
	if err == nil || addr.IsValid() || source != "" {
		t.Fatalf("%v from %q, %v", addr, source, err)
	}
	for i, line := range strings.Split(err.Error(), "\n") {
		if i >= len(servers) || !strings.HasPrefix(line, servers[i]+": ") {
			t.Errorf("line %d of the error: %s", i+1, line)
		}
	}
	if !strings.Contains(err.Error(), "it tells 10.0.0.1, which is not public: private") {
		t.Error(err)
	}
	if _, _, err := PublicAddr(t.Context(), local, nil); err == nil {
		t.Error("no server answers")
	}
}

// A local address that is not given asks over any family.
func TestPublicAddrFromAnywhere(t *testing.T) {
	addr, _, err := PublicAddr(t.Context(), netip.Addr{}, []string{liar(t, "8.8.4.4:5")})
	if err != nil || addr.String() != "8.8.4.4" {
		t.Errorf("%v, %v", addr, err)
	}
}

func TestResolveKeepsTheFamily(t *testing.T) {
	for _, tt := range []struct{ local, server, want string }{
		{"127.0.0.1", "127.0.0.1:5", "127.0.0.1:5"},
		{"127.0.0.1", "[::1]:5", ""},
		{"::1", "[::1]:5", "[::1]:5"},
		{"::1", "127.0.0.1:5", ""},
		{"", "[::1]:5", "[::1]:5"},
		{"", "127.0.0.1:5", "127.0.0.1:5"},
	} {
		local, _ := netip.ParseAddr(tt.local)
		at, err := resolve(t.Context(), local, tt.server)
		if (err == nil) != (tt.want != "") || err == nil && at.String() != tt.want {
			t.Errorf("%s from %q: %v, %v, want %q", tt.server, tt.local, at, err, tt.want)
		}
	}
}

// A silent server does not use up the time of the next. It takes the real
// perServer to find out.
func TestSilentServerIsPassed(t *testing.T) {
	t.Parallel()
	silent := udpAnswers(t, func(netip.AddrPort, []byte) [][]byte { return nil }).String()
	good := liar(t, "8.8.4.4:5")
	begun := time.Now()
	addr, source, err := PublicAddr(t.Context(), netip.MustParseAddr("127.0.0.1"), []string{silent, good})
	if err != nil || addr.String() != "8.8.4.4" || source != good || time.Since(begun) < perServer || time.Since(begun) > 2*perServer {
		t.Errorf("%v from %s, %v after %v", addr, source, err, time.Since(begun))
	}
}

func TestPublicAddrEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	silent := udpAnswers(t, func(netip.AddrPort, []byte) [][]byte { cancel(); return nil }).String()
	begun := time.Now()
	_, _, err := PublicAddr(ctx, netip.MustParseAddr("127.0.0.1"), []string{silent, silent, silent})
	if !errors.Is(err, context.Canceled) || time.Since(begun) >= perServer {
		t.Errorf("%v after %v", err, time.Since(begun))
	}
}
