package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"turnpike/pkg/acme"
	"turnpike/pkg/config"
)

const acmeFile = `version: 1
listen: [{address: "127.0.0.1:4443", transports: [tls]}]
acme: {hosts: [turn.example.org, issuer.example.org], email: ops@example.org, directory_url: "https://ca.example:14000/dir", accept_terms: true, cache_directory: kept}
relay: {addresses: [{bind: 127.0.0.1, public: 127.0.0.1}]}
credentials: {issuer_keys: [{id: k1, secret_file: k1.key}]}
issuer: {listen: ["0.0.0.0:4480"], FILES api_keys: [{id: app, hash: "sha256:` + keyHash + `"}]}
`

// acmeSettings are those of a configuration with section acme, for whose first
// host a certificate is kept until then.
func acmeSettings(t *testing.T, files string, until time.Time) (file string, c *config.Config, s *settings) {
	t.Helper()
	dir := t.TempDir()
	file = filepath.Join(dir, "turnpike.yaml")
	badConfigCheck(t, os.WriteFile(file, []byte(strings.Replace(acmeFile, "FILES", files, 1)), 0o600))
	badConfigCheck(t, os.WriteFile(filepath.Join(dir, "k1.key"), []byte(k1Text), 0o600))
	badConfigCheck(t, writeCertificate(filepath.Join(dir, "own.pem"), filepath.Join(dir, "own.key"), "127.0.0.1", time.Now().Add(time.Hour)))
	keepCertificate(t, filepath.Join(dir, "kept", "ca.example-14000-dir"), "turn.example.org", until)
	c, s, _, err := load(file)
	badConfigCheck(t, err)
	return file, c, s
}

// keepCertificate leaves a key and a certificate for a host as an earlier run
// did.
func keepCertificate(t *testing.T, folder, host string, until time.Time) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	badConfigCheck(t, err)
	template := &x509.Certificate{DNSNames: []string{host}, NotBefore: until.Add(-2 * time.Hour), NotAfter: until}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	badConfigCheck(t, err)
	der, err := x509.MarshalECPrivateKey(key)
	badConfigCheck(t, err)
	data := append(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})...)
	badConfigCheck(t, os.MkdirAll(folder, 0o700))
	badConfigCheck(t, os.WriteFile(filepath.Join(folder, host), data, 0o600))
}

// Every key of section acme arrives, and who has no files uses it.
func TestACMEArrives(t *testing.T) {
	until := time.Now().Add(time.Hour).Truncate(time.Second)
	file, c, s := acmeSettings(t, "", until)
	want := fmt.Sprint(acme.Options{Hosts: []string{"turn.example.org", "issuer.example.org"}, Directory: "https://ca.example:14000/dir",
		Email: "ops@example.org", Folder: filepath.Join(filepath.Dir(file), "kept"), Agent: "turnpike/" + version()})
	if got := fmt.Sprint(reflect.ValueOf(s.ACME).Elem().FieldByName("o")); got != want {
		t.Errorf("it is made of %s, want %s", got, want)
	}
	for what, secure := range map[string]*tls.Config{"stun.turn": s.relayTLS(), "h2": s.issuerTLS()} {
		c, err := secure.GetCertificate(&tls.ClientHelloInfo{ServerName: "turn.example.org"})
		challenged, _ := secure.GetConfigForClient(&tls.ClientHelloInfo{SupportedProtos: []string{"acme-tls/1"}})
		if err != nil || !c.Leaf.NotAfter.Equal(until) || secure.NextProtos[0] != what || challenged == nil || secure.MinVersion != tls.VersionTLS12 {
			t.Errorf("%s: %v %v, %+v", what, c, err, secure)
		}
	}
	m := map[string]float64{}
	if s.acmeNotAfter(m); len(m) != 2 || m["relay"] != 0 || m["issuer"] != 0 { // the second has none
		t.Errorf("%v", m)
	}
	_, next, _, err := settle(c, s, nil, nil)
	if err != nil || next.ACME != s.ACME {
		t.Errorf("%v: a reload makes another", err)
	}
	if _, _, s = acmeSettings(t, "certificate_file: own.pem, key_file: own.key,", until); s.Issuer.ACME || s.issuerTLS().GetConfigForClient != nil || s.relayTLS().GetConfigForClient == nil {
		t.Errorf("%+v: the issuer has files of its own", s.Issuer)
	}
}

// Hosts without a certificate, and those whose has expired, make the server
// unready, and say why.
func TestACMEUnready(t *testing.T) {
	_, _, s := acmeSettings(t, "", time.Now().Add(time.Hour))
	for after, want := range map[time.Duration][]string{
		0:             {"no certificate for issuer.example.org yet: the order is under way"},
		2 * time.Hour: {"the certificate for turn.example.org expired on ", "no certificate for issuer.example.org yet: the order is under way"},
	} {
		got := acmeUnready(s.ACME, time.Now().Add(after))
		if !slices.EqualFunc(got, want, strings.HasPrefix) {
			t.Errorf("%v: %q, want %q", after, got, want)
		}
	}
}

// A folder of keys that everybody may read is a fault of its key.
func TestACMEFolderIsOpen(t *testing.T) {
	file, _, _ := acmeSettings(t, "", time.Now().Add(time.Hour))
	kept := filepath.Join(filepath.Dir(file), "kept")
	badConfigCheck(t, os.Chmod(kept, 0o755))
	_, _, _, err := load(file)
	want := file + ":3:163: acme.cache_directory: " + kept + " can be read or written by everybody (mode 0755), and private keys are kept there; run chmod o= on it"
	if err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// The unit has a place for what is kept, which is the default one, and for the
// server alone.
func TestUnitKeepsCertificates(t *testing.T) {
	unit, err := os.ReadFile("../../deploy/systemd/turnpike.service")
	badConfigCheck(t, err)
	if !strings.Contains(string(unit), "\nStateDirectory=turnpike\nStateDirectoryMode=0700\n") {
		t.Error("the unit has no StateDirectory")
	}
	file := filepath.Join(t.TempDir(), "turnpike.yaml")
	badConfigCheck(t, os.WriteFile(file, []byte("version: 1\ncredentials: {shared_secrets: [{id: usual, secret: "+s1Text+"}]}\n"), 0o600))
	c, _, err := config.Load(config.Options{Path: file})
	badConfigCheck(t, err)
	if at := c.ACME.CacheDirectory; filepath.Dir(at) != "/var/lib/turnpike" {
		t.Errorf("certificates are kept in %s", at)
	}
}
