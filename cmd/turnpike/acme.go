package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"slices"
	"time"

	"turnpike/pkg/acme"
	"turnpike/pkg/certs"
	"turnpike/relay"
)

// acme gets certificates by itself where the configuration says so. One that is
// in use goes on: no reload changes what it was made of.
func (l *loader) acme() *acme.Manager {
	c := l.c.ACME
	if !c.On() {
		return nil
	}
	if l.current.ACME != nil {
		return l.current.ACME
	}
	m, err := acme.New(acme.Options{
		Hosts: c.Hosts, Directory: c.DirectoryURL, Email: c.Email, Folder: c.CacheDirectory, Agent: "turnpike/" + version(),
	})
	l.wrong("acme.cache_directory", err)
	return m
}

// relayTLS is what the tls listeners speak; nil without a certificate.
func (s *settings) relayTLS() *tls.Config {
	switch {
	case s.Certificate != nil:
		return certs.Relay(s.Certificate, s.MinTLS)
	case s.ACME != nil:
		return s.ACME.Answer(certs.Relay(s.ACME, s.MinTLS))
	}
	return nil
}

// issuerTLS is what the issuer speaks over TCP; nil: plain HTTP.
func (s *settings) issuerTLS() *tls.Config {
	switch {
	case s.Issuer.Certificate != nil:
		return certs.HTTPS(s.Issuer.Certificate, s.MinTLS)
	case s.Issuer.ACME:
		return s.ACME.Answer(certs.HTTPS(s.ACME, s.MinTLS))
	}
	return nil
}

// runACME gets and renews certificates until ctx ends.
func (p *parts) runACME(ctx context.Context, log *logs) {
	m := p.settings.Load().ACME
	if m == nil {
		return
	}
	m.Run(ctx, func(host string, c *tls.Certificate, err error) {
		if err != nil {
			log.Error("the certificate authority of section acme has failed; the certificate before, if any, stays", "host", host, "error", err)
			return
		}
		log.Info("new certificate", "host", host, "not_after", c.Leaf.NotAfter, "issuer", c.Leaf.Issuer.String())
	})
}

// orderAgain has the authority asked at once for what it failed to give: people
// have mended something. What comes of it is logged.
func (p *parts) orderAgain() {
	if m := p.settings.Load().ACME; m != nil {
		m.Again()
	}
}

// acmeUnready says for which hosts there is nothing to serve.
func acmeUnready(m *acme.Manager, now time.Time) (reasons []string) {
	if m == nil {
		return nil
	}
	for _, s := range m.States() {
		why := s.Fault
		switch {
		case s.NotAfter.IsZero() && why == "":
			reasons = append(reasons, "no certificate for "+s.Host+" yet: the order is under way")
		case s.NotAfter.IsZero():
			reasons = append(reasons, "no certificate for "+s.Host+": "+why)
		case now.After(s.NotAfter):
			reasons = append(reasons, fmt.Sprintf("the certificate for %s expired on %s: %s", s.Host, s.NotAfter.UTC().Format(time.DateTime), why))
		}
	}
	return reasons
}

// acmeNotAfter is when the first certificate of section acme expires, by who
// serves them; 0 while a host has none.
func (s *settings) acmeNotAfter(m map[string]float64) {
	if s.ACME == nil {
		return
	}
	first := slices.MinFunc(s.ACME.States(), func(a, b acme.State) int { return a.NotAfter.Compare(b.NotAfter) }).NotAfter
	seconds := 0.0
	if !first.IsZero() {
		seconds = float64(first.Unix())
	}
	if slices.ContainsFunc(s.Listen, func(l relay.Listener) bool { return l.TLS }) {
		m["relay"] = seconds
	}
	if s.Issuer.ACME {
		m["issuer"] = seconds
	}
}
