package certs

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"strings"
	"time"
)

const (
	minRSA = 2048 // RFC 9325 §4.5
	day    = "2006-01-02 15:04 MST"
)

// checkChain finds what clients would refuse. Of the dates only the leaf's
// count: clients find other ways around an expired intermediate.
func checkChain(path string, chain []*x509.Certificate, now time.Time, faults *Faults) {
	leaf := chain[0]
	if now.After(leaf.NotAfter) {
		faults.add(path, "expired on "+leaf.NotAfter.UTC().Format(day), "renew it")
	}
	if now.Before(leaf.NotBefore) {
		faults.add(path, "is valid only from "+leaf.NotBefore.UTC().Format(day), "check the clock of this machine, or wait")
	}
	for i, c := range chain {
		which := fmt.Sprintf("certificate %d (%s): ", i+1, c.Subject)
		if reason := weakKey(c.PublicKey); reason != "" {
			faults.add(path, which+reason, "issue it again with an ECDSA P-256 or RSA 2048 key")
		}
		// Nobody checks a root's signature of itself.
		root := i > 0 && bytes.Equal(c.RawIssuer, c.RawSubject)
		if weakSignature(c.SignatureAlgorithm) && !root {
			faults.add(path, which+"signed with "+c.SignatureAlgorithm.String(), "have it signed with SHA-256")
		}
	}
}

// weakKey says why a public key is refused, or nothing.
func weakKey(key any) string {
	switch key := key.(type) {
	case *rsa.PublicKey:
		if n := key.N.BitLen(); n < minRSA {
			return fmt.Sprintf("an RSA key of %d bits, under %d", n, minRSA)
		}
		return ""
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P224() { // no TLS 1.3 scheme: RFC 8446 §4.2.3
			return "an ECDSA key on P-224"
		}
		return ""
	case ed25519.PublicKey:
		return ""
	}
	return "a key that TLS clients cannot use"
}

func weakSignature(a x509.SignatureAlgorithm) bool {
	switch a {
	case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1:
		return true
	}
	return false
}

// checkFit sees that the key is the first certificate's. One that fits a later
// one tells of a chain in the wrong order (RFC 8446 §4.4.2: the sender's own
// certificate comes first).
func checkFit(certFile string, chain []*x509.Certificate, keyFile string, key crypto.Signer, faults *Faults) {
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	for i, c := range chain {
		switch {
		case !ok || !public.Equal(c.PublicKey):
		case i == 0:
			return
		default:
			faults.add(certFile, fmt.Sprintf("the server's certificate (%s) is number %d of the chain", nameOf(c), i+1),
				"put it first, then each issuer after what it issued")
			return
		}
	}
	faults.add(keyFile, fmt.Sprintf("is not the key of %s (%s)", certFile, nameOf(chain[0])),
		"give the key that this certificate was issued for")
}

// nameOf tells people which certificate it is. Many have no subject any more.
func nameOf(c *x509.Certificate) string {
	if subject := c.Subject.String(); subject != "" {
		return subject
	}
	return strings.Join(hostsOf(c), ", ")
}
