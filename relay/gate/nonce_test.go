package gate

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"turnpike/auth"
)

func testNonces(secret byte) *nonces {
	return &nonces{newNonceMAC(bytes.Repeat([]byte{secret}, 32)), 600, newOffer([]auth.Algorithm{auth.MD5})}
}

func (n *nonces) valid(nonce []byte, t Transport, client netip.AddrPort, now time.Time) bool {
	return n.check(nonce, t, client, now) == nonceFresh
}

// Whoever brings back a nonce that has aged is still whom it was issued to.
func TestNonceAges(t *testing.T) {
	n := testNonces(1)
	nonce := n.issue(UDP, testClient.Addr, testNow)
	other := netip.AddrPortFrom(testClient.Addr.Addr(), testClient.Addr.Port()+1)
	for after, want := range map[time.Duration]nonceState{
		-5 * time.Second: nonceFresh, 600 * time.Second: nonceFresh,
		601 * time.Second: nonceStale, 24 * time.Hour: nonceStale,
		24*time.Hour + time.Second: nonceForeign, -6 * time.Second: nonceForeign,
	} {
		if got := n.check(nonce[:], UDP, testClient.Addr, testNow.Add(after)); got != want {
			t.Errorf("after %v: %v, want %v", after, got, want)
		}
		if got := n.check(nonce[:], UDP, other, testNow.Add(after)); got != nonceForeign {
			t.Errorf("after %v from another port: %v", after, got)
		}
	}
}

func TestNonceLifetime(t *testing.T) {
	n := testNonces(1)
	nonce := n.issue(UDP, testClient.Addr, testNow)
	for after, want := range map[time.Duration]bool{
		-6 * time.Second: false, -5 * time.Second: true, 0: true,
		600 * time.Second: true, 601 * time.Second: false,
		nonceWrap * time.Second / 2: false,
	} {
		if n.valid(nonce[:], UDP, testClient.Addr, testNow.Add(after)) != want {
			t.Errorf("after %v: not %v", after, want)
		}
	}
}

// The seconds in a nonce are modulo 2^31: in 2038 nothing happens.
func TestNonceWraps(t *testing.T) {
	n := testNonces(1)
	last := time.Unix(nonceWrap-1, 0)
	nonce := n.issue(UDP, testClient.Addr, last)
	if !n.valid(nonce[:], UDP, testClient.Addr, last.Add(2*time.Second)) {
		t.Error("refused over the wrap")
	}
	if n.valid(nonce[:], UDP, testClient.Addr, last.Add(601*time.Second)) {
		t.Error("too old")
	}
}

func TestNonceIsBound(t *testing.T) {
	n, a := testNonces(1), testClient.Addr
	nonce := n.issue(UDP, a, testNow)
	valid := func(n *nonces, tr Transport, a string) bool {
		return n.valid(nonce[:], tr, netip.MustParseAddrPort(a), testNow)
	}
	if !valid(n, UDP, "198.51.100.7:40000") || !valid(testNonces(1), UDP, "[::ffff:198.51.100.7]:40000") {
		t.Error("refused where it was issued, or by another node with the key")
	}
	if valid(n, TCP, "198.51.100.7:40000") || valid(n, TLS, "198.51.100.7:40000") ||
		valid(n, UDP, "198.51.100.7:40001") || valid(n, UDP, "198.51.100.8:40000") ||
		valid(n, UDP, "[2001:db8::1]:40000") || valid(testNonces(2), UDP, "198.51.100.7:40000") {
		t.Error("accepted elsewhere")
	}
}

// Every other text of the same length, one character away, is refused; so is
// what the decoder of base64 would read the same.
func TestNonceForgery(t *testing.T) {
	n := testNonces(1)
	nonce := n.issue(UDP, testClient.Addr, testNow)
	for i := range nonce {
		for c := range 256 {
			forged := nonce
			if forged[i] = byte(c); forged == nonce {
				continue
			}
			if n.valid(forged[:], UDP, testClient.Addr, testNow) {
				t.Fatalf("%q for %q", forged, nonce)
			}
		}
	}
	for _, s := range []string{"", string(nonce[:15]), string(nonce[:]) + "=", string(nonce[:12]) + "\r\n\r\n"} {
		if n.valid([]byte(s), UDP, testClient.Addr, testNow) {
			t.Errorf("accepted %q", s)
		}
	}
}

// RFC 8489 §9.2: no nonce may look as if it offered password algorithms. The
// second is the one in 2055 that would begin so without the modulus.
func TestNonceIsNoCookie(t *testing.T) {
	n := testNonces(1)
	for _, at := range []int64{0xA1B31AB4, 0, nonceWrap - 1, 1<<32 - 1} {
		nonce := n.issue(UDP, testClient.Addr, time.Unix(at, 0))
		if !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef", rune(nonce[0])) {
			t.Errorf("%q", nonce)
		}
	}
}

func TestHMAC(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	some := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		return b
	}
	for size := headerSize; size <= MaxPacket; size += 4 {
		key, b := some(random.IntN(100)), some(size)
		want := bytes.Clone(b)
		want[2], want[3] = byte((size+4)>>8), byte(size+4)
		mac := hmac.New(sha1.New, key)
		mac.Write(want)
		if got := integrity(key, b); !bytes.Equal(got[:], mac.Sum(nil)) {
			t.Fatalf("integrity of %d bytes under %d", size, len(key))
		}
		key = key[:min(len(key), hmacBlock)]
		want[2], want[3] = byte((size+16)>>8), byte(size+16)
		mac = hmac.New(sha256.New, key)
		mac.Write(want)
		if got := integritySHA256(key, b); !bytes.Equal(got[:], mac.Sum(nil)) {
			t.Fatalf("integritySHA256 of %d bytes under %d", size, len(key))
		}
	}
	for range 100 {
		secret := some(32 + random.IntN(100))
		text := [nonceText]byte(some(nonceText))
		key := sha256.Sum256(append([]byte("turnpike nonce\x00"), secret...))
		mac := hmac.New(sha256.New, key[:])
		mac.Write(text[:])
		if got := newNonceMAC(secret).sum(&text); !bytes.Equal(got[:], mac.Sum(nil)) {
			t.Fatal("nonce MAC")
		}
	}
}
