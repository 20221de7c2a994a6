package config

import (
	"fmt"
	"net/mail"
	"net/url"
	"slices"
	"strings"
)

const (
	highSecurity = "high-security"
	maxACMEHosts = 16
	portHTTPS    = 443 // where an authority comes to: RFC 8737 §3
)

// On reports whether the server is to get certificates by itself.
func (a *ACME) On() bool { return len(a.Hosts) > 0 }

// IssuerUsesACME reports whether the issuer's certificate is that of section acme.
func (c *Config) IssuerUsesACME() bool {
	return c.ACME.On() && c.Issuer.CertificateFile == "" && slices.ContainsFunc(c.Issuer.Listen, func(e Endpoint) bool { return e.TCP.IsValid() })
}

// completeTLS settles what follows from the profile, and writes names as they
// are compared.
func (l *loader) completeTLS(c *Config) {
	if _, given := l.places["tls.min_version"]; c.TLS.Profile == highSecurity && !given {
		c.TLS.MinVersion = "1.3"
	}
	for i, host := range c.ACME.Hosts {
		c.ACME.Hosts[i] = strings.ToLower(host)
	}
	c.ACME.CacheDirectory = l.resolveFolder(c.ACME.CacheDirectory)
}

func (l *loader) checkTLS(c *Config) {
	if c.TLS.Profile == highSecurity && c.TLS.MinVersion == "1.2" {
		l.judge("tls.min_version", "is 1.2, and the profile high-security is TLS 1.3 alone", "take it away, or give tls.profile: default", "tls.profile")
	}
	if c.ACME.On() {
		l.checkACME(c)
		l.checkACMEUse(c)
	}
}

func (l *loader) checkACME(c *Config) {
	a := &c.ACME
	checkUnique(l, "acme.hosts", a.Hosts)
	if len(a.Hosts) > maxACMEHosts {
		l.judge("acme.hosts", fmt.Sprintf("has %d entries", len(a.Hosts)), fmt.Sprintf("keep %d or fewer, as each is a certificate of its own", maxACMEHosts))
	}
	for i, host := range a.Hosts {
		if !isHostName(host) {
			l.judge(entry("acme.hosts", i), "is "+clip(host), "give the host name that clients connect to; no authority certifies an address, a wildcard or a port this way")
		}
	}
	if !a.AcceptTerms {
		l.judge("acme.accept_terms", "is false, and no authority certifies anything before its terms of service are agreed to",
			"read them (the directory links to them) and write accept_terms: true", "acme.hosts")
	}
	if at, err := mail.ParseAddress(a.Email); a.Email != "" && (err != nil || at.Address != a.Email) {
		l.judge("acme.email", "is "+clip(a.Email), "give an address such as admin@example.org, or none")
	}
	if u, err := url.Parse(a.DirectoryURL); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" {
		l.judge("acme.directory_url", "is "+clip(a.DirectoryURL), "give the https URL of the authority's directory (RFC 8555 §7.1.1)")
	}
}

// checkACMEUse sees that somebody uses the certificates, and that the authority
// can come to where they are asked for.
func (l *loader) checkACMEUse(c *Config) {
	const cure = "keep one of the two"
	if c.TLS.CertificateFile != "" {
		l.judge("acme.hosts", "is given beside tls.certificate_file, and a listener has one certificate", cure, "tls.certificate_file")
		return
	}
	issuer := c.IssuerUsesACME()
	var ports []uint16
	for _, at := range c.Listen {
		if slices.Contains(at.Transports, TLSOverTCP) {
			ports = append(ports, at.Address.Port())
		}
	}
	turn := len(ports) > 0
	for _, e := range c.Issuer.Listen {
		if issuer && e.TCP.IsValid() && !e.IsLoopback() {
			ports = append(ports, e.TCP.Port())
		}
	}
	switch {
	case !turn && !issuer:
		l.judge("acme.hosts", "is given, and no listener would use a certificate", "add tls to the transports of one, or take the hosts away", "listen", "issuer")
	case !slices.Contains(ports, portHTTPS):
		l.warn("acme.hosts", fmt.Sprintf("is given, and nothing here listens on port %d, where the authority comes to", portHTTPS),
			fmt.Sprintf("add {address: 0.0.0.0:%d, transports: [tls]} to listen, or have port %[1]d forwarded to a tls listener", portHTTPS))
	}
	if turn && c.Policy.Clients.Mode == AllowList {
		l.warn("policy.clients.mode", "is allowlist, and the authority of acme comes from addresses that it tells nobody", "use certificate files, or mode: public")
	}
}
