package acme

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const directory = "https://ca.example:14000/dir"

// keptIn is the folder of that directory's certificates.
func keptIn(folder string) string { return filepath.Join(folder, "ca.example-14000-dir") }

// pemOf is a key and a certificate for a host, as they are kept.
func pemOf(t testing.TB, host string, from, to time.Time) []byte {
	t.Helper()
	key, text, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{DNSNames: []string{host}, NotBefore: from, NotAfter: to}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
}

func certificate(t testing.TB, host string, from, to time.Time) *tls.Certificate {
	t.Helper()
	data := pemOf(t, host, from, to)
	pair, err := tls.X509KeyPair(data, data)
	if err != nil {
		t.Fatal(err)
	}
	return &pair
}

// keep writes a file as an earlier process has left it.
func keep(t testing.TB, folder, name string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(keptIn(folder), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(keptIn(folder), name), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func newManager(t testing.TB, folder string, hosts ...string) *Manager {
	t.Helper()
	m, err := New(Options{Hosts: hosts, Directory: directory, Folder: folder})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func same(a, b *tls.Certificate) bool {
	return a != nil && b != nil && bytes.Equal(a.Certificate[0], b.Certificate[0])
}
