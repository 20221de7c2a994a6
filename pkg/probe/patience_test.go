package probe

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestRetransmission follows RFC 8489 §6.2.1 in fake time: the same request at
// 0, 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s, and the end at 39.5 s.
func TestRetransmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		ours, theirs := net.Pipe()
		var sent []time.Duration
		go func() {
			var first []byte
			buf := make([]byte, 100)
			for {
				n, err := theirs.Read(buf)
				if err != nil {
					return
				}
				if sent = append(sent, time.Since(begun)); first == nil {
					first = bytes.Clone(buf[:n])
				} else if !bytes.Equal(first, buf[:n]) {
					t.Errorf("asks again with another request: %x, then %x", first, buf[:n])
				}
			}
		}()
		var q question
		_, err := q.ask(t.Context(), ours, "udp", netip.Addr{}, nil)
		if d := time.Since(begun); d != 39500*time.Millisecond || !errors.Is(err, errSilence) {
			t.Errorf("%v after %v", err, d)
		}
		synctest.Wait()
		var want []time.Duration
		for _, ms := range []int{0, 500, 1500, 3500, 7500, 15500, 31500} {
			want = append(want, time.Duration(ms)*time.Millisecond)
		}
		if !slices.Equal(sent, want) {
			t.Errorf("sent at %v, want %v", sent, want)
		}
	})
}

// Packets that do not count put off neither the next request nor the end.
func TestGarbageBuysNoTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		ours, theirs := net.Pipe()
		var all sync.WaitGroup
		requests := 0
		all.Go(func() {
			for buf := make([]byte, 100); ; requests++ {
				if _, err := theirs.Read(buf); err != nil {
					return
				}
			}
		})
		all.Go(func() {
			for {
				if _, err := theirs.Write([]byte("garbage")); err != nil {
					return
				}
				time.Sleep(70 * time.Millisecond)
			}
		})
		var q question
		_, err := q.ask(t.Context(), ours, "udp", netip.Addr{}, nil)
		if d := time.Since(begun); d != patience || !errors.Is(err, errSilence) || q.passed != errNotSTUN {
			t.Errorf("%v, passed over %v, after %v", err, q.passed, d)
		}
		all.Wait()
		if requests != 7 {
			t.Errorf("%d requests, want 7", requests)
		}
	})
}

func TestLateAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		ours, theirs := net.Pipe()
		go func() {
			request := make([]byte, 100)
			for range 2 {
				_, _ = theirs.Read(request)
			}
			_, _ = theirs.Write(success(request, "192.0.2.1:5"))
		}()
		var q question
		seen, err := q.ask(t.Context(), ours, "udp", netip.Addr{}, nil)
		expect(t, seen, err, "192.0.2.1:5", "")
		if d := time.Since(begun); d != firstWait {
			t.Errorf("after %v", d)
		}
	})
}

// A stream that is silent is given up too, before TLS and after.
func TestSilentStream(t *testing.T) {
	for _, network := range []string{"tcp", "tls"} {
		synctest.Test(t, func(t *testing.T) {
			begun := time.Now()
			ours, theirs := net.Pipe()
			go func() { _, _ = io.Copy(io.Discard, theirs) }()
			var q question
			_, err := q.ask(t.Context(), ours, network, netip.IPv6Loopback(), nil)
			if d := time.Since(begun); d != patience || !errors.Is(err, errSilence) || !strings.Contains(err.Error(), "39.5s") {
				t.Errorf("%s: %v after %v", network, err, d)
			}
		})
	}
}
