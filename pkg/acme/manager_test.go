package acme

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	client "golang.org/x/crypto/acme"
)

// What is kept and good is served without the authority; anything else is none.
func TestKeptCertificates(t *testing.T) {
	now := time.Now()
	good := pemOf(t, "good.example", now.Add(-time.Hour), now.Add(time.Hour))
	folder := t.TempDir()
	if err := os.Chmod(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"good.example":    good,
		"expired.example": pemOf(t, "expired.example", now.Add(-2*time.Hour), now.Add(-time.Hour)),
		"early.example":   pemOf(t, "early.example", now.Add(time.Hour), now.Add(2*time.Hour)),
		"other.example":   good,
		"cut.example":     pemOf(t, "cut.example", now.Add(-time.Hour), now.Add(time.Hour))[:300],
	} {
		keep(t, folder, name, data)
	}
	m := newManager(t, folder, "good.example", "expired.example", "early.example", "other.example", "cut.example", "missing.example")
	for i, s := range m.States() {
		if has := !s.NotAfter.IsZero(); has != (i == 0) {
			t.Errorf("%+v", s)
		}
	}
	elsewhere, err := New(Options{Hosts: []string{"good.example"}, Directory: "https://staging.example/dir", Folder: folder})
	if err != nil || !elsewhere.States()[0].NotAfter.IsZero() {
		t.Errorf("%v, %+v: another authority's certificate is served", err, elsewhere.States())
	}
}

func TestOpenFolders(t *testing.T) {
	for name, open := range map[string]func(folder string) (path string, mode os.FileMode){
		"the folder":  func(f string) (string, os.FileMode) { return f, 0o755 },
		"one's below": func(f string) (string, os.FileMode) { return keptIn(f), 0o701 },
		"a file":      func(f string) (string, os.FileMode) { return filepath.Join(keptIn(f), "a.example"), 0o604 },
	} {
		folder := filepath.Join(t.TempDir(), "acme")
		keep(t, folder, "a.example", pemOf(t, "a.example", time.Now(), time.Now().Add(time.Hour)))
		newManager(t, folder, "a.example") // good as it is
		path, mode := open(folder)
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := New(Options{Hosts: []string{"a.example"}, Directory: directory, Folder: folder})
		if err == nil || !strings.HasPrefix(err.Error(), path+" can be read or written by everybody (mode 0") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNoFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for folder, want := range map[string]string{file: file + " is no folder; name another", file + "/acme": "not a directory; give a folder that the server's user owns"} {
		_, err := New(Options{Hosts: []string{"a.example"}, Directory: directory, Folder: folder})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", folder, err, want)
		}
	}
}

// What is kept is for the owner alone, whatever the umask.
func TestKeptForTheOwner(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "acme")
	m := newManager(t, folder, "a.example")
	if _, err := m.accountKey(t.Context()); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]os.FileMode{folder: 0o700, keptIn(folder): 0o700, filepath.Join(keptIn(folder), accountKey): 0o600} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want %v", path, info, err, want)
		}
	}
	first, err1 := m.accountKey(t.Context())
	again, err2 := newManager(t, folder, "a.example").accountKey(t.Context())
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if !first.(*ecdsa.PrivateKey).Equal(again) {
		t.Error("the account's key is another after a restart")
	}
}

func TestWhichCertificate(t *testing.T) {
	m := newManager(t, t.TempDir()+"/none", "a.example", "b.example", "c.example")
	a, b := certificate(t, "a.example", time.Now(), time.Now().Add(time.Hour)), certificate(t, "b.example", time.Now(), time.Now().Add(time.Hour))
	m.byName["b.example"].current.Store(b)
	get := func(name string) *tls.Certificate {
		c, _ := m.GetCertificate(&tls.ClientHelloInfo{ServerName: name})
		return c
	}
	if !same(get(""), b) || get("a.example") != nil || get("c.example") != nil {
		t.Error("without the first, who names none gets the second, and nobody another's")
	}
	m.byName["a.example"].current.Store(a)
	for name, want := range map[string]*tls.Certificate{"": a, "a.example": a, "B.EXAMPLE": b, "x.a.example": a, "foreign.example": a} {
		if !same(get(name), want) {
			t.Errorf("%q gets another certificate", name)
		}
	}
	if n := m.Strangers(); n != 2 {
		t.Errorf("%d strangers, want the 2 that named a foreign host", n)
	}
}

// handshake is what a client that offers protocols gets of a listener that
// answers challenges.
func handshake(t *testing.T, m *Manager, name string, protocols ...string) (state tls.ConnectionState, err error) {
	t.Helper()
	server, conn := net.Pipe()
	var wg sync.WaitGroup
	wg.Go(func() {
		defer server.Close()
		s := tls.Server(server, m.Answer(&tls.Config{GetCertificate: m.GetCertificate, NextProtos: []string{"stun.turn"}}))
		if s.Handshake() == nil {
			_, _ = s.Read(make([]byte, 1))
		}
	})
	defer wg.Wait()
	defer conn.Close()
	c := tls.Client(conn, &tls.Config{ServerName: name, NextProtos: protocols, InsecureSkipVerify: true})
	err = c.HandshakeContext(t.Context())
	return c.ConnectionState(), err
}

// The challenge is for who offers its protocol alone, while an order is under
// way; what others negotiate stays.
func TestAnswer(t *testing.T) {
	m := newManager(t, t.TempDir()+"/none", "a.example")
	served := certificate(t, "a.example", time.Now(), time.Now().Add(time.Hour))
	m.hosts[0].current.Store(served)
	if _, err := handshake(t, m, "a.example", client.ALPNProto); err == nil {
		t.Error("a challenge is answered without an order")
	}
	key, _, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	answer, err := (&client.Client{Key: key}).TLSALPN01ChallengeCert("token", "a.example")
	if err != nil {
		t.Fatal(err)
	}
	m.setChallenge("a.example", &answer)
	for _, tt := range []struct {
		name      string
		protocols []string
		protocol  string
		want      *tls.Certificate // nil: refused
	}{
		{"a.example", []string{client.ALPNProto}, client.ALPNProto, &answer},
		{"b.example", []string{client.ALPNProto}, "", nil},
		{"a.example", []string{client.ALPNProto, "stun.turn"}, "stun.turn", served},
		{"a.example", []string{client.ALPNProto, "http/1.1"}, "", nil},
		{"a.example", []string{"stun.turn"}, "stun.turn", served},
		{"a.example", nil, "", served},
	} {
		state, err := handshake(t, m, tt.name, tt.protocols...)
		switch {
		case tt.want == nil && err == nil:
			t.Errorf("%s %q is accepted", tt.name, tt.protocols)
		case tt.want != nil && (err != nil || state.NegotiatedProtocol != tt.protocol || !bytes.Equal(state.PeerCertificates[0].Raw, tt.want.Certificate[0])):
			t.Errorf("%s %q: %v, protocol %q", tt.name, tt.protocols, err, state.NegotiatedProtocol)
		}
	}
	m.setChallenge("a.example", nil)
	if _, err := handshake(t, m, "a.example", client.ALPNProto); err == nil {
		t.Error("a challenge is answered after its order")
	}
}
