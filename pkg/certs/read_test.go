package certs

import (
	"bytes"
	"crypto/ecdh"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// md5 turns a SHA-256 certificate into one that says MD5; the two names have
// one length, and nobody looks at a leaf's signature before it is sent.
func md5(t *testing.T, c *x509.Certificate) *x509.Certificate {
	t.Helper()
	oid := []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 11}
	out, err := x509.ParseCertificate(bytes.ReplaceAll(c.Raw, oid, append(oid[:len(oid)-1:len(oid)-1], 4)))
	if err != nil || out.SignatureAlgorithm != x509.MD5WithRSA {
		t.Fatal(out, err)
	}
	return out
}

func TestLoadRefuses(t *testing.T) {
	ec, other, root := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P256()), ecKey(t, elliptic.P384())
	p224 := ecKey(t, elliptic.P224())
	good := issue(t, ec, nil, nil, nil)
	ca := issue(t, root, nil, nil, func(c *x509.Certificate) {
		c.Subject.CommonName, c.IsCA, c.BasicConstraintsValid = "the root", true, true
	})
	leaf := issue(t, ec, ca, root, nil)
	during := func(from, to int) []byte {
		return certPEM(issue(t, ec, nil, nil, func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Date(from, 1, 2, 15, 4, 0, 0, time.UTC), time.Date(to, 1, 2, 15, 4, 0, 0, time.UTC)
		}))
	}
	ecdhKey, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	legacy := &pem.Block{Type: "EC PRIVATE KEY", Bytes: []byte("x"), // RFC 1421 §4.6
		Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-256-CBC,00"}}
	cert, key := certPEM(good), keyPEM(t, ec)
	for _, tt := range []struct {
		name      string
		cert, key []byte
		file      string // whose fault it is
		reason    string
	}{
		{"certificate is empty", nil, key, "tls.crt", "is empty"},
		{"key is empty", cert, nil, "tls.key", "is empty"},
		{"too large", make([]byte, maxFile+1), key, "tls.crt", "larger than 1 MiB"},
		{"not PEM", good.Raw, key, "tls.crt", "no CERTIFICATE block"},
		{"no key", cert, cert, "tls.key", "no PRIVATE KEY block"},
		{"key not PEM", cert, []byte("hunter2"), "tls.key", "no PRIVATE KEY block"},
		{"cut short", cert[:len(cert)-30], key, "tls.crt", "damaged or cut short"},
		{"chain cut short", append(bytes.Clone(cert), cert[:100]...), key, "tls.crt", "damaged or cut short"},
		{"key cut short", cert, key[:len(key)-30], "tls.key", "damaged or cut short"},
		{"not a certificate", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}), key, "tls.crt", "certificate 1 cannot be read"},
		{"not a key", cert, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")}), "tls.key", "cannot be read"},
		{"signs nothing", cert, keyPEM(t, ecdhKey), "tls.key", "cannot be read"},
		{"encrypted", cert, pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("x")}), "tls.key", "is encrypted"},
		{"encrypted of old", cert, pem.EncodeToMemory(legacy), "tls.key", "is encrypted"},
		{"another key", cert, keyPEM(t, other), "tls.key", "is not the key of"},
		{"another sort of key", cert, keyPEM(t, rsa2048()), "tls.key", "is not the key of"},
		{"leaf last", certPEM(ca, leaf), key, "tls.crt", "(CN=turn.example) is number 2 of the chain"},
		{"expired", during(2019, 2020), key, "tls.crt", "expired on 2020-01-02 15:04 UTC"},
		{"not yet valid", during(2200, 2201), key, "tls.crt", "is valid only from 2200-01-02 15:04 UTC"},
		{"short RSA", certPEM(issue(t, rsa1024(), nil, nil, nil)), keyPEM(t, rsa1024()), "tls.crt", "an RSA key of 1024 bits, under 2048"},
		{"short RSA above", certPEM(leaf, issue(t, rsa1024(), nil, nil, nil)), key, "tls.crt", "certificate 2 (CN=turn.example): an RSA key of 1024 bits"},
		{"P-224", certPEM(issue(t, p224, nil, nil, nil)), keyPEM(t, p224), "tls.crt", "P-224"},
		{"SHA-1", certPEM(issue(t, rsa2048(), nil, nil, func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA1WithRSA })), keyPEM(t, rsa2048()), "tls.crt", "signed with SHA1-RSA"},
		{"ECDSA over SHA-1", certPEM(issue(t, ec, nil, nil, func(c *x509.Certificate) { c.SignatureAlgorithm = x509.ECDSAWithSHA1 })), key, "tls.crt", "signed with ECDSA-SHA1"},
		{"MD5", certPEM(md5(t, issue(t, rsa2048(), nil, nil, nil))), keyPEM(t, rsa2048()), "tls.crt", "signed with MD5-RSA"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			certFile, keyFile := files(t, tt.cert, tt.key)
			_, err := Load(certFile, keyFile)
			expectFault(t, err, filepath.Join(filepath.Dir(certFile), tt.file), tt.reason)
		})
	}
}

// expectFault wants one fault, of that file, with those words and a cure.
func expectFault(t *testing.T, err error, file, reason string) {
	t.Helper()
	var faults Faults
	if !errors.As(err, &faults) || len(faults) != 1 {
		t.Fatalf("%v, want one fault: %s: %s", err, file, reason)
	}
	f := faults[0]
	if f.File != file || !strings.Contains(f.Reason, reason) || f.Cure == "" || err.Error() != f.Error() {
		t.Errorf("%v, want %s: %s", f, file, reason)
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the content of the key file is in the error: %v", err)
	}
}

func TestLoadRefusesFiles(t *testing.T) {
	ec := ecKey(t, elliptic.P256())
	cert, key := certPEM(issue(t, ec, nil, nil, nil)), keyPEM(t, ec)
	certFile, keyFile := files(t, cert, key)
	dir := t.TempDir()
	missing, pipe, both := filepath.Join(dir, "missing"), filepath.Join(dir, "pipe"), filepath.Join(dir, "both")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	write(t, both, append(bytes.Clone(cert), key...), 0o644)
	open := filepath.Join(dir, "open")
	write(t, open, key, 0o604)
	for _, tt := range []struct{ name, cert, key, file, reason string }{
		{"no certificate named", "", keyFile, "", "no certificate file"},
		{"no key named", certFile, "", "", "no key file"},
		{"missing", certFile, missing, missing, "cannot be read: no such file"},
		{"a directory", dir, keyFile, dir, "not a regular file"},
		{"a pipe that nobody writes", certFile, pipe, pipe, "not a regular file"},
		{"key open to everyone", certFile, open, open, "open to everyone (mode 0604)"},
		{"one file, open to everyone", both, both, both, "open to everyone (mode 0644)"},
		{"key lost in the certificate file", both, keyFile, both, "open to everyone (mode 0644)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Load(tt.cert, tt.key)
			expectFault(t, err, tt.file, tt.reason)
		})
	}
}

func TestEveryFaultAtOnce(t *testing.T) {
	cert := certPEM(issue(t, rsa1024(), nil, nil, func(c *x509.Certificate) {
		c.SignatureAlgorithm, c.NotAfter = x509.SHA1WithRSA, time.Now().Add(-time.Minute)
	}))
	certFile, keyFile := files(t, cert, keyPEM(t, rsa2048()))
	write(t, keyFile, keyPEM(t, rsa2048()), 0o644)
	_, err := Load(certFile, keyFile)
	var faults Faults
	if !errors.As(err, &faults) || len(faults) != 5 { // open key, expired, short, SHA-1, does not fit
		t.Errorf("%d faults: %v", len(faults), err)
	}
}

func TestLoadAccepts(t *testing.T) {
	ec, root := ecKey(t, elliptic.P521()), rsa2048()
	sha1 := func(c *x509.Certificate) {
		c.Subject.CommonName, c.IsCA, c.BasicConstraintsValid, c.SignatureAlgorithm = "an old root", true, true, x509.SHA1WithRSA
	}
	ca := issue(t, root, nil, nil, sha1)
	leaf := issue(t, ec, ca, root, nil)
	sec1, err := x509.MarshalECPrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	params := pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte{6, 5, 0x2b, 0x81, 4, 0, 0x23}})
	caOfItself := certPEM(issue(t, root, nil, nil, func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }))
	for _, tt := range []struct {
		name      string
		cert, key []byte
		chain     int
	}{
		{"PKCS 8", certPEM(leaf), keyPEM(t, ec), 1},
		{"SEC 1 with parameters", certPEM(leaf), append(params, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1})...), 1},
		{"PKCS 1", caOfItself, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(root)}), 1},
		{"chain with a root of old, and words between", append(append(certPEM(leaf), "\n# the root\n"...), certPEM(ca)...), keyPEM(t, ec), 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := Load(files(t, tt.cert, tt.key))
			if err != nil {
				t.Fatal(err)
			}
			if n := len(c.current.Load().Certificate); n != tt.chain {
				t.Errorf("a chain of %d, want %d", n, tt.chain)
			}
			if _, err := dial(t, echo(t, Relay(c, 0)), client(func(*tls.Config) {})); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("one file", func(t *testing.T) {
		both := filepath.Join(t.TempDir(), "both.pem")
		write(t, both, append(keyPEM(t, ec), certPEM(leaf, ca)...), 0o640)
		if _, err := Load(both, both); err != nil {
			t.Error(err)
		}
	})
}

// FuzzParse: no content ends the process, and what is taken can be served.
func FuzzParse(f *testing.F) {
	ec := ecKey(f, elliptic.P256())
	cert, key := certPEM(issue(f, ec, nil, nil, nil)), keyPEM(f, ec)
	f.Add(cert, key)
	f.Add(append(bytes.Clone(key), cert...), key)
	f.Add(key, cert)
	f.Add(cert[:100], key[:50])
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"), []byte("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, cert, key []byte) {
		var faults Faults
		p := parse("cert", cert, "key", key, time.Now(), &faults)
		if faults == nil && (p.Leaf == nil || p.PrivateKey == nil || len(p.Certificate) == 0) {
			t.Errorf("taken, but incomplete: %+v", p)
		}
	})
}
