package certs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Certificate is a chain and its key, replaceable while in use. Its methods are
// safe for use by many goroutines.
type Certificate struct {
	mu                sync.Mutex // one Reload at a time; guards what follows but current
	certFile, keyFile string     // empty: made here, no file to look at
	fault             string     // what the last one found wrong, or ""
	current           atomic.Pointer[tls.Certificate]
}

// Load reads a certificate chain, leaf first, and its private key, both PEM and
// perhaps one file. The error is [Faults]: a file that cannot be read or is
// not PEM, a key that others may read, is encrypted or does not fit, a
// certificate that is not valid today, an RSA key under 2048 bits, a signature
// over MD5 or SHA-1.
func Load(certFile, keyFile string) (*Certificate, error) {
	pair, err := read(certFile, keyFile, time.Now())
	if err != nil {
		return nil, err
	}
	c := &Certificate{certFile: certFile, keyFile: keyFile}
	c.current.Store(pair)
	return c, nil
}

// Reload reads the files again and says whether they hold another chain than
// before; another key alone would not fit. On an error, which is [Faults], the
// old pair stays. One from [SelfSigned] never changes.
func (c *Certificate) Reload() (changed bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.certFile == "" {
		return false, nil
	}
	pair, err := read(c.certFile, c.keyFile, time.Now())
	c.fault = ""
	if err != nil {
		c.fault = err.Error()
	}
	if err != nil || slices.EqualFunc(pair.Certificate, c.current.Load().Certificate, bytes.Equal) {
		return false, err
	}
	c.current.Store(pair)
	return true, nil
}

// Of reports whether it is that of these files.
func (c *Certificate) Of(certFile, keyFile string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.certFile == certFile && c.keyFile == keyFile
}

// Replace takes over the files and the pair of another certificate, which is not
// used any more, and says whether that is another chain. Who serves c serves the
// other's from now on.
func (c *Certificate) Replace(with *Certificate) (changed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.certFile, c.keyFile, c.fault = with.certFile, with.keyFile, ""
	pair := with.current.Load()
	old := c.current.Swap(pair)
	return !slices.EqualFunc(pair.Certificate, old.Certificate, bytes.Equal)
}

// Run reloads at every tick until ctx ends. It calls told once for each change,
// once for each new error however long it lasts, and with neither when an error
// has gone and the files hold what is in use. What a Reload by somebody else has
// found is not told again. every must be positive.
func (c *Certificate) Run(ctx context.Context, every time.Duration, told func(changed bool, err error)) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		before := c.lastFault()
		changed, err := c.Reload()
		if changed || c.lastFault() != before {
			told(changed, err)
		}
	}
}

// lastFault is what the last Reload found wrong, or "".
func (c *Certificate) lastFault() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fault
}

// NotAfter is when the certificate in use expires.
func (c *Certificate) NotAfter() time.Time { return c.current.Load().Leaf.NotAfter }

// Names are the host names and addresses the certificate in use is for. A
// client compares nothing else, the subject least of all (RFC 9525).
func (c *Certificate) Names() []string { return hostsOf(c.current.Load().Leaf) }

func hostsOf(leaf *x509.Certificate) []string {
	var names []string
	names = append(names, leaf.DNSNames...)
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}

// PEM is the chain in use, for clients that shall trust a self-signed one.
func (c *Certificate) PEM() []byte {
	var out []byte
	for _, der := range c.current.Load().Certificate {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return out
}

// SPKI is the base64 SHA-256 of the public key in use (RFC 7469 §2.4), by which
// Chromium can be told to trust it (--ignore-certificate-errors-spki-list).
func (c *Certificate) SPKI() string {
	sum := sha256.Sum256(c.current.Load().Leaf.RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// GetCertificate is for tls.Config: the pair in use, whatever host is named.
func (c *Certificate) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return c.current.Load(), nil
}
