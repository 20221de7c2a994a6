package certs

import (
	"bytes"
	"context"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// numbered is a pair whose serial number tells it from others.
func numbered(t testing.TB, n int64) (cert, key []byte) {
	t.Helper()
	k := ecKey(t, elliptic.P256())
	return certPEM(issue(t, k, nil, nil, func(c *x509.Certificate) { c.SerialNumber = big.NewInt(n) })), keyPEM(t, k)
}

func serial(c *tls.Conn) int64 {
	return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

func TestReloadUnderLiveConnections(t *testing.T) {
	cert1, key1 := numbered(t, 1)
	cert2, key2 := numbered(t, 2)
	same := parseKey("", key2, new(Faults))
	cert3 := certPEM(issue(t, same, nil, nil, func(c *x509.Certificate) { c.SerialNumber = big.NewInt(3) }))
	certFile, keyFile := files(t, cert1, key1)
	c, err := Load(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	address := echo(t, Relay(c, 0))
	first, err := dial(t, address, client(func(*tls.Config) {}))
	if err != nil || serial(first) != 1 {
		t.Fatal(err)
	}
	expect := func(what string, wantChanged bool, wantErr string, want int64) {
		t.Helper()
		changed, err := c.Reload()
		if changed != wantChanged || (err == nil) != (wantErr == "") || err != nil && !strings.Contains(err.Error(), wantErr) {
			t.Errorf("%s: changed %v, %v", what, changed, err)
		}
		next, err := dial(t, address, client(func(*tls.Config) {}))
		if err != nil || serial(next) != want {
			t.Errorf("%s: a new handshake sees another certificate than %d, or %v", what, want, err)
		}
		if err := ping(first); err != nil || serial(first) != 1 {
			t.Errorf("%s: the old connection: %v", what, err)
		}
	}
	expect("nothing written", false, "", 1)
	write(t, certFile, cert2, 0o644)
	expect("the key still old", false, "is not the key of", 1)
	write(t, keyFile, key2, 0o640)
	expect("both written", true, "", 2)
	expect("once is enough", false, "", 2)
	write(t, keyFile, key2, 0o644)
	expect("the key opened to everyone", false, "open to everyone", 2)
	write(t, certFile, nil, 0o644)
	write(t, keyFile, key2, 0o640)
	expect("truncated", false, "is empty", 2)
	if err := os.Remove(certFile); err != nil {
		t.Fatal(err)
	}
	expect("gone", false, "no such file", 2)
	write(t, certFile, cert3, 0o644)
	expect("renewed for the same key", true, "", 3)
	write(t, certFile, append(cert3, cert1...), 0o644)
	expect("a chain that grew", true, "", 3)
	write(t, certFile, cert1, 0o644)
	write(t, keyFile, key1, 0o640)
	expect("back to the first", true, "", 1)
}

// Another pair of files takes the place of the first under whoever serves it, and
// is the one that is followed from then on.
func TestReplace(t *testing.T) {
	cert1, key1 := numbered(t, 1)
	cert2, key2 := numbered(t, 2)
	load := func(cert, key []byte) (*Certificate, string, string) {
		certFile, keyFile := files(t, cert, key)
		c, err := Load(certFile, keyFile)
		if err != nil {
			t.Fatal(err)
		}
		return c, certFile, keyFile
	}
	c, _, _ := load(cert1, key1)
	with, certFile, keyFile := load(cert2, key2)
	address := echo(t, Relay(c, 0))
	expect := func(want int64) {
		t.Helper()
		if conn, err := dial(t, address, client(func(*tls.Config) {})); err != nil || serial(conn) != want {
			t.Errorf("a handshake sees another certificate than %d, or %v", want, err)
		}
	}
	expect(1)
	if !c.Replace(with) {
		t.Error("another chain is no change")
	}
	expect(2)
	if c.Replace(with) {
		t.Error("the same chain is a change")
	}
	write(t, certFile, cert1, 0o644)
	write(t, keyFile, key1, 0o640)
	if changed, err := c.Reload(); !changed || err != nil {
		t.Errorf("the new files are not followed: %v, %v", changed, err)
	}
	expect(1)
}

// Every handshake while certificates are swapped sees a chain with its own key.
func TestReloadIsAtomic(t *testing.T) {
	cert1, key1 := numbered(t, 1)
	cert2, key2 := numbered(t, 2)
	certFile, keyFile := files(t, cert1, key1)
	c, err := Load(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	address := echo(t, Relay(c, 0))
	var dials sync.WaitGroup
	for range 2 {
		dials.Go(func() {
			for range 20 {
				if conn, err := dial(t, address, client(func(*tls.Config) {})); err != nil {
					t.Errorf("handshake: %v", err)
				} else {
					conn.Close()
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { dials.Wait(); close(done) }()
	pairs := [][2][]byte{{cert2, key2}, {cert1, key1}}
	for i := 0; ; i++ {
		write(t, certFile, pairs[i%2][0], 0o644)
		write(t, keyFile, pairs[i%2][1], 0o640)
		if changed, err := c.Reload(); !changed || err != nil {
			t.Errorf("swap %d: %v, %v", i, changed, err)
		}
		select {
		case <-done:
			return
		default:
		}
	}
}

// news is what Run told.
type news struct {
	mu   sync.Mutex
	told []string
}

func (n *news) tell(changed bool, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	word := fmt.Sprintf("changed %v", changed)
	if err != nil {
		word = strings.SplitN(err.Error(), ": ", 2)[1]
	}
	n.told = append(n.told, word)
}

// expect lets three ticks pass and wants these words, each for its beginning.
func (n *news) expect(t *testing.T, what string, want ...string) {
	t.Helper()
	time.Sleep(3 * time.Second)
	synctest.Wait()
	n.mu.Lock()
	defer n.mu.Unlock()
	if !slices.EqualFunc(n.told, want, strings.HasPrefix) {
		t.Errorf("%s: told %q, want %q", what, n.told, want)
	}
	n.told = nil
}

func TestRunTellsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cert1, key1 := numbered(t, 1)
		cert2, key2 := numbered(t, 2)
		certFile, keyFile := files(t, cert1, key1)
		c, err := Load(certFile, keyFile)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var n news
		go c.Run(ctx, time.Second, n.tell)
		n.expect(t, "nothing written")
		write(t, certFile, cert2, 0o644)
		n.expect(t, "the key still old", "is not the key of")
		write(t, keyFile, key2, 0o640)
		n.expect(t, "both written", "changed true")
		write(t, certFile, []byte("x"), 0o644)
		n.expect(t, "garbage", "no CERTIFICATE block")
		write(t, certFile, nil, 0o644)
		n.expect(t, "another error", "is empty")
		write(t, certFile, cert2, 0o644)
		n.expect(t, "what is in use, again", "changed false")
		write(t, certFile, cert1, 0o644)
		write(t, keyFile, key1, 0o640)
		if changed, err := c.Reload(); !changed || err != nil {
			t.Errorf("changed %v, %v", changed, err)
		}
		n.expect(t, "somebody else reloaded")
		write(t, certFile, nil, 0o644)
		if _, err := c.Reload(); err == nil {
			t.Error("an empty file was taken")
		}
		n.expect(t, "somebody else has told the error")
		cancel()
		synctest.Wait() // Run has ended, or the bubble never does
	})
}

// An editor writes another file and renames it; a Kubernetes volume swaps the
// link to a directory, and no file of it changes.
func TestRunSeesRenamesAndLinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		version := func(n int64) {
			cert, key := numbered(t, n)
			sub := fmt.Sprintf("..v%d", n)
			if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(dir, sub, "tls.crt"), cert, 0o644)
			write(t, filepath.Join(dir, sub, "tls.key"), key, 0o440)
			if err := os.Symlink(sub, filepath.Join(dir, "..new")); err != nil {
				t.Fatal(err)
			}
			rename(t, filepath.Join(dir, "..new"), filepath.Join(dir, "..data"))
		}
		version(1)
		for _, name := range []string{"tls.crt", "tls.key"} {
			if err := os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
		c, err := Load(certFile, keyFile)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var n news
		go c.Run(ctx, time.Second, n.tell)
		version(2)
		n.expect(t, "the link swapped", "changed true")
		cert3, key3 := numbered(t, 3)
		write(t, filepath.Join(dir, "crt~"), cert3, 0o644)
		write(t, filepath.Join(dir, "key~"), key3, 0o600)
		rename(t, filepath.Join(dir, "key~"), keyFile)
		rename(t, filepath.Join(dir, "crt~"), certFile)
		n.expect(t, "files renamed", "changed true")
		if got := c.current.Load().Leaf.SerialNumber.Int64(); got != 3 {
			t.Errorf("certificate %d, want 3", got)
		}
		cancel()
		synctest.Wait()
	})
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func TestSelfSigned(t *testing.T) {
	now := time.Now()
	c, err := SelfSigned([]string{"turn.example", "192.0.2.1", "::ffff:192.0.2.2", "2001:db8::1", "localhost"}, now)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"turn.example", "localhost", "192.0.2.1", "192.0.2.2", "2001:db8::1"}; !slices.Equal(c.Names(), want) {
		t.Errorf("names %q, want %q", c.Names(), want)
	}
	if d := c.NotAfter().Sub(now.Add(30 * 24 * time.Hour)).Abs(); d > time.Second {
		t.Errorf("valid until %v", c.NotAfter())
	}
	if changed, err := c.Reload(); changed || err != nil {
		t.Errorf("reload: %v, %v", changed, err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(c.PEM()) {
		t.Fatalf("PEM: %s", c.PEM())
	}
	address := echo(t, Relay(c, 0))
	for name, want := range map[string]bool{"turn.example": true, "192.0.2.1": true, "2001:db8::1": true, "other.example": false, "192.0.2.9": false} {
		conn, err := dial(t, address, &tls.Config{RootCAs: roots, ServerName: name})
		if (err == nil) != want {
			t.Errorf("%s: %v, want trusted %v", name, err, want)
		}
		if err != nil {
			continue
		}
		sum := sha256.Sum256(conn.ConnectionState().PeerCertificates[0].RawSubjectPublicKeyInfo)
		if got := c.SPKI(); got != base64.StdEncoding.EncodeToString(sum[:]) {
			t.Errorf("SPKI %q", got)
		}
	}
	if _, err := dial(t, address, &tls.Config{ServerName: "turn.example"}); err == nil {
		t.Error("trusted by a client that was told nothing")
	}
	again, err := SelfSigned([]string{"turn.example"}, now)
	if err != nil || bytes.Equal(again.PEM(), c.PEM()) || again.current.Load().Leaf.SerialNumber.Cmp(c.current.Load().Leaf.SerialNumber) == 0 {
		t.Errorf("%v; two certificates have one serial number", err)
	}
}

func TestSelfSignedRefuses(t *testing.T) {
	for _, hosts := range [][]string{nil, {""}, {"turn.example:443"}, {"fe80::1%eth0"}, {"0.0.0.0"}, {"a b"}, {"türn.example"},
		{"a..b"}, {strings.Repeat("a", 64)}, {strings.Repeat("a.", 127) + "aa"}} {
		if _, err := SelfSigned(hosts, time.Now()); err == nil {
			t.Errorf("%q is taken for hosts", hosts)
		}
	}
	_, err := SelfSigned([]string{"a:1", "good.example", "b:2"}, time.Now())
	if err == nil || !strings.Contains(err.Error(), `"a:1"`) || !strings.Contains(err.Error(), `"b:2"`) {
		t.Errorf("%v, want both hosts named", err)
	}
}
