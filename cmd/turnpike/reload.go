package main

import (
	"context"
	"sync"
	"time"

	"turnpike/pkg/certs"
)

// certificateEvery is how often certificate files are looked at.
const certificateEvery = 30 * time.Second

// certificates are those in use by what they are for, each once.
func (p *parts) certificates() map[string]*certs.Certificate {
	m := make(map[string]*certs.Certificate)
	if c := p.settings.Certificate; c != nil {
		m["relay"] = c
	}
	if c := p.settings.Issuer.Certificate; c != nil && c != p.settings.Certificate {
		m["issuer"] = c
	}
	return m
}

// runReload follows the certificate files until ctx ends: at SIGHUP at once, and
// by itself. Open connections keep the certificate they began with.
func (p *parts) runReload(ctx context.Context, sig *signals, log *logs) {
	var wg sync.WaitGroup
	defer wg.Wait()
	all := p.certificates()
	for name, c := range all {
		wg.Go(func() {
			c.Run(ctx, certificateEvery, func(changed bool, err error) { p.tellCertificate(log, name, c, changed, err) })
		})
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-sig.reload:
			begun := p.heart.begun.Load() // who is not ready yet is not because of a signal
			if begun {
				notifyReloading(log)
			}
			bad := 0
			for name, c := range all {
				changed, err := c.Reload()
				if changed || err != nil {
					p.tellCertificate(log, name, c, changed, err)
				}
				if err != nil {
					bad++
				}
			}
			log.Info("reloaded", "certificates", len(all)-bad, "refused", bad)
			if begun {
				notify(log, ready)
			}
		}
	}
}

func (p *parts) tellCertificate(log *logs, name string, c *certs.Certificate, changed bool, err error) {
	switch {
	case err != nil:
		p.certificateErrors.Add(1)
		log.Error("the certificate files can't be used; the certificate before stays", "name", name, "error", err)
	case changed:
		log.Info("new certificate", "name", name, "not_after", c.NotAfter(), "hosts", c.Names())
	default:
		log.Info("the certificate files are good again", "name", name)
	}
}
