package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"
)

const (
	selfSignedFor = 30 * 24 * time.Hour
	// clockSkew is how far behind ours a client's clock may be.
	clockSkew = time.Hour
)

// SelfSigned makes a certificate for 30 days: ECDSA P-256, for the given host
// names and IP addresses, kept in memory alone. Nobody trusts it who is not
// told to, by [Certificate.PEM] or [Certificate.SPKI].
func SelfSigned(hosts []string, now time.Time) (*Certificate, error) {
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "turnpike, self-signed"},
		NotBefore:             now.Add(-clockSkew),
		NotAfter:              now.Add(selfSignedFor),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	if err := addHosts(template, hosts); err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("certs: no key: %w", err)
	}
	// Without a serial number CreateCertificate draws one at random.
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("certs: self-signed certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("certs: self-signed certificate: %w", err)
	}
	c := new(Certificate)
	c.current.Store(&tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf})
	return c, nil
}

// addHosts sets the names, each an IP address or a host name.
func addHosts(c *x509.Certificate, hosts []string) error {
	var faults []error
	for _, h := range hosts {
		addr, err := netip.ParseAddr(h)
		switch {
		case err == nil && addr.Zone() == "" && !addr.IsUnspecified():
			c.IPAddresses = append(c.IPAddresses, net.IP(addr.AsSlice()))
		case err != nil && isHostName(h):
			c.DNSNames = append(c.DNSNames, h)
		default:
			faults = append(faults, fmt.Errorf("certs: self-signed certificate: %q: want a host name or an IP address, without port or zone", h))
		}
	}
	if len(hosts) == 0 {
		faults = append(faults, errors.New("certs: self-signed certificate: no hosts: name what clients connect to"))
	}
	return errors.Join(faults...)
}

// isHostName tells names of RFC 1123 §2.1; an international one comes as ASCII.
func isHostName(s string) bool {
	if len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != "" {
			return false
		}
	}
	return true
}
