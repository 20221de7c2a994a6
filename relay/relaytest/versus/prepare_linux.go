package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"turnpike/relay/relaytest"
)

// tools are the programs that are compared and what they are given.
type tools struct {
	files
	turnserver string // coturn's
	loader     string // the turnpike that plays the load
	root       string // of the source
	secret     string
}

// prepare builds and writes everything that a run needs into dir.
func prepare(ctx context.Context, dir, loader string) (*tools, error) {
	t := &tools{files: files{dir}, loader: loader}
	if loader == "" {
		t.loader = t.files.turnpike()
	}
	var err error
	if t.turnserver, err = exec.LookPath("turnserver"); err != nil {
		return nil, fmt.Errorf("coturn is what we compare to: apt-get install coturn (%w)", err)
	}
	for program, pkg := range map[string]string{"nsenter": "util-linux", "taskset": "util-linux", "ip": "iproute2"} {
		if _, err := exec.LookPath(program); err != nil {
			return nil, fmt.Errorf("apt-get install %s (%w)", pkg, err)
		}
	}
	if t.root, err = sourceRoot(ctx); err != nil {
		return nil, err
	}
	if err := buildTurnpike(ctx, t.root, t.files.turnpike()); err != nil {
		return nil, err
	}
	if err := relaytest.BuildStockPion(t.stockPion()); err != nil {
		return nil, err
	}
	random := make([]byte, 32)
	rand.Read(random) // never fails
	t.secret = hex.EncodeToString(random)
	return t, errors.Join(
		os.WriteFile(t.files.secret(), []byte(t.secret), 0o600),
		os.WriteFile(t.password(), []byte(t.secret), 0o600),
		writeCertificate(t.files))
}

// buildTurnpike builds the program under test as make build does.
func buildTurnpike(ctx context.Context, root, program string) error {
	if out, err := exec.CommandContext(ctx, "go", "build", "-C", root, "-trimpath", "-o", program, "./cmd/turnpike").CombinedOutput(); err != nil {
		return fmt.Errorf("building turnpike: %w\n%s", err, out)
	}
	return nil
}

// sourceRoot is where the module's go.mod is.
func sourceRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	gomod := strings.TrimSpace(string(out))
	if err != nil || filepath.Base(gomod) != "go.mod" {
		return "", fmt.Errorf("go env GOMOD gave %q (%v): run it from the source tree, with go in PATH", gomod, err)
	}
	return filepath.Dir(gomod), nil
}

// writeCertificate makes one that both servers with TLS get: ECDSA P-256, so
// that neither's default differs.
func writeCertificate(f files) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := time.Now()
	template := &x509.Certificate{NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IPAddresses: []net.IP{serverHost.AsSlice()}, BasicConstraintsValid: true}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(f.certificate(), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), 0o644),
		os.WriteFile(f.key(), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
}
