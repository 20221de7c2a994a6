package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pebbleEnv carries the folder of pebble's programs into a namespace.
const pebbleEnv = "TURNPIKE_TEST_PEBBLE"

// pebblePrograms builds Let's Encrypt's test authority, and its DNS server, of
// the version in go.mod.
func pebblePrograms(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv(pebbleEnv); dir != "" {
		return dir
	}
	dir := t.TempDir()
	const cmd = "github.com/letsencrypt/pebble/v2/cmd/"
	out, err := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", dir, cmd+"pebble", cmd+"pebble-challtestsrv").CombinedOutput()
	if err != nil {
		t.Fatalf("build pebble: %v\n%s", err, out)
	}
	return dir
}

// pebble is an authority on loopback that comes to port 443 of the hosts it is
// asked for, as its DNS server knows them.
type pebble struct {
	dir string // what it is configured by
	log lines  // of all its runs
	cmd *exec.Cmd
}

const (
	pebbleDirectory = "https://127.0.0.1:14000/dir"
	pebbleDNS       = "127.0.0.1:8053"
	pebbleControl   = "http://127.0.0.1:8055"
	pebbleRoot      = "https://127.0.0.1:15000/roots/0"
)

// newPebble has an authority ready whose certificates live for so many seconds,
// and DNS: every name is at an address.
func newPebble(t *testing.T, seconds int, at string) *pebble {
	t.Helper()
	p := &pebble{dir: t.TempDir()}
	cert, key := filepath.Join(p.dir, "cert.pem"), filepath.Join(p.dir, "key.pem")
	badConfigCheck(t, writeCertificate(cert, key, "127.0.0.1", time.Now().Add(time.Hour)))
	t.Setenv("SSL_CERT_FILE", cert) // for the server under test
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": "127.0.0.1:14000", "managementListenAddress": "127.0.0.1:15000", "certificate": cert, "privateKey": key,
		"httpPort": 80, "tlsPort": 443, "keyAlgorithm": "ecdsa", "retryAfter": map[string]int{"authz": 1, "order": 1},
		"profiles": map[string]any{"short": map[string]any{"description": "short", "validityPeriod": seconds}},
	}})
	badConfigCheck(t, err)
	badConfigCheck(t, os.WriteFile(filepath.Join(p.dir, "pebble.json"), config, 0o600))
	dns := exec.Command(filepath.Join(pebblePrograms(t), "pebble-challtestsrv"), "-dnsserver", pebbleDNS, "-defaultIPv4", at, "-defaultIPv6", "",
		"-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "", "-management", "127.0.0.1:8055")
	badConfigCheck(t, dns.Start())
	t.Cleanup(func() { _ = dns.Process.Kill(); _ = dns.Wait() })
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("pebble's log:\n%s", strings.Join(p.log.all(), "\n"))
		}
	})
	return p
}

// points says where another name is.
func (p *pebble) points(t *testing.T, host, at string) {
	t.Helper()
	body := `{"host": "` + host + `", "addresses": ["` + at + `"]}`
	eventually(t, "the DNS server", func() bool {
		resp, err := http.Post(pebbleControl+"/add-a", "application/json", strings.NewReader(body))
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// start runs a new authority, which knows nothing of the one before, and gives
// whom its certificates are to be trusted by.
func (p *pebble) start(t *testing.T) *x509.CertPool {
	t.Helper()
	p.cmd = exec.Command(filepath.Join(pebblePrograms(t), "pebble"), "-config", filepath.Join(p.dir, "pebble.json"), "-dnsserver", pebbleDNS)
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	p.cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1") // it validates all the same
	badConfigCheck(t, p.cmd.Start())
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	trusted := x509.NewCertPool()
	eventually(t, "the root certificate", func() bool {
		resp, err := client.Get(pebbleRoot)
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		root, err := io.ReadAll(resp.Body)
		return err == nil && trusted.AppendCertsFromPEM(bytes.TrimSpace(root))
	})
	return trusted
}

// stop ends the authority at once.
func (p *pebble) stop() {
	if p.cmd != nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		p.cmd = nil
	}
}

// eventually asks until it is so.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for !is() {
		select {
		case <-again.C:
		case <-late.C:
			t.Fatalf("waited %v for %s", patience, what)
		}
	}
}
