package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"turnpike/pkg/certs"
	"turnpike/pkg/config"
)

// certificateEvery is how often certificate files are looked at.
const certificateEvery = 30 * time.Second

// reloads is the configuration in force and what became of those that were to
// take its place. The zero value is that of a server without a file.
type reloads struct {
	file       string
	configured *config.Config     // in force; runReload's own once it runs
	asked      chan chan reloaded // by the operator's listener

	before                      *earlier // that changed something
	last                        reloaded
	renewing                    bool         // the lists could not be made again
	failed                      atomic.Bool  // the last one
	since                       atomic.Int64 // Unix seconds: when the last good one was read
	changed, unchanged, refused atomic.Uint64
}

// reloaded is what became of one reload.
type reloaded struct {
	// Changed is what is in force now and was not before.
	Changed []string `json:"changed"`
	// Restart are changes that take a restart: nothing was taken over then.
	Restart []string `json:"restart"`
	// Refused is what is wrong, with its place and cure. Of the configuration
	// nothing was taken over then; of certificates those are left that are named.
	Refused []string `json:"refused"`
	// Before is the last one that changed something, if this one did not: who
	// edits a file and asks may find that it has been taken over already.
	Before *earlier `json:"before,omitempty"`
}

// earlier is a reload that is in force.
type earlier struct {
	At      time.Time `json:"at"`
	AskedBy string    `json:"asked_by"`
	Changed []string  `json:"changed"`
}

func (r *reloaded) good() bool { return len(r.Restart)+len(r.Refused) == 0 }

// nothingNew reports whether it leaves everything as the one before left it.
func (r *reloaded) nothingNew(last *reloaded) bool {
	return len(r.Changed) == 0 && slices.Equal(r.Restart, last.Restart) && slices.Equal(r.Refused, last.Refused)
}

// runReload follows the files until ctx ends: at SIGHUP and when the operator
// asks, at once; by itself when one has changed, a line of the policy expires or
// the network of this host is another one.
func (p *parts) runReload(ctx context.Context, sig *signals, log *logs) {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { p.runACME(ctx, log) })
	for name, c := range p.certificates() {
		wg.Go(func() {
			c.Run(ctx, certificateEvery, func(changed bool, err error) { p.tellCertificate(log, name, c, changed, err) })
		})
	}
	edited, moved := make(chan struct{}, 1), make(chan struct{}, 1)
	if p.reloads.file != "" {
		o := config.Options{Path: p.reloads.file, Environ: os.Environ(), InForce: p.reloads.configured}
		wg.Go(func() { config.Watch(ctx, o, func() { wake(edited) }) })
	}
	wg.Go(func() { followHost(ctx, log, func() { wake(moved) }) })
	expiry := time.NewTimer(0)
	defer expiry.Stop()
	for {
		p.setExpiry(expiry)
		select {
		case <-ctx.Done():
			return
		case <-edited:
			p.reload(log, "file")
		case <-moved:
			p.renew(log, "the network of this host is another one")
		case <-p.fleet.met:
			p.renew(log, "a server of Redis was not known")
		case <-expiry.C:
			p.renew(log, "lines have expired")
		case <-sig.reload:
			p.orderAgain()
			p.reload(log, "signal")
		case answer := <-p.reloads.asked:
			p.orderAgain()
			answer <- p.reload(log, "operator")
		}
	}
}

// wake has somebody look who may be busy.
func wake(who chan<- struct{}) {
	select {
	case who <- struct{}{}:
	default:
	}
}

// reload reads everything again and tells what became of it, the log and the
// service manager too.
func (p *parts) reload(log *logs, why string) reloaded {
	begun := p.heart.begun.Load() // who is not ready yet is not because of a reload
	if begun {
		notifyReloading(log)
		defer notify(log, ready)
	}
	r := reloaded{Changed: []string{}, Restart: []string{}, Refused: []string{}} // [] in JSON, not null
	p.reloadCertificates(log, &r)
	if p.reloads.file != "" {
		p.reloadFile(log, &r)
	}
	if why == "file" && r.nothingNew(&p.reloads.last) { // who edited has asked for it too
		return r
	}
	p.reloads.count(&r)
	switch {
	case len(r.Changed) > 0:
		p.reloads.before = &earlier{time.Now().UTC().Truncate(time.Second), why, r.Changed}
	case r.good():
		r.Before = p.reloads.before
	}
	args := []any{"asked_by", why, "changed", r.Changed}
	if r.good() {
		log.Info("reloaded", args...)
		return r
	}
	log.Error("not everything was reloaded; what is refused stays as it was", append(args, "takes_restart", r.Restart, "refused", r.Refused)...)
	return r
}

func (x *reloads) count(r *reloaded) {
	x.last = *r
	x.failed.Store(!r.good())
	switch {
	case !r.good():
		x.refused.Add(1)
		return
	case len(r.Changed) > 0:
		x.changed.Add(1)
	default:
		x.unchanged.Add(1)
	}
	x.since.Store(time.Now().Unix())
}

// reloadFile reads the configuration and takes over what has changed, all of it
// or nothing.
func (p *parts) reloadFile(log *logs, r *reloaded) {
	x := &p.reloads
	next, s, warnings, err := loadNext(x.file, x.configured, p.settings.Load())
	if err != nil {
		r.Refused = append(r.Refused, strings.Split(err.Error(), "\n")...)
		return
	}
	var live []string
	for _, c := range x.configured.Changes(next) {
		if c.Live {
			live = append(live, c.String())
		} else {
			r.Restart = append(r.Restart, c.String())
		}
	}
	if len(r.Restart) > 0 {
		return
	}
	if len(live) > 0 {
		if err := p.takeOver(s, next); err != nil {
			r.Refused = append(r.Refused, strings.Split(err.Error(), "\n")...)
			return
		}
	}
	for _, w := range warnings {
		log.Warn("configuration", "warning", w.String())
	}
	x.configured = next
	r.Changed = append(r.Changed, live...)
}

// certificates are those in use by what they are for, each once.
func (p *parts) certificates() map[string]*certs.Certificate {
	s := p.settings.Load()
	m := make(map[string]*certs.Certificate)
	if c := s.Certificate; c != nil {
		m["relay"] = c
	}
	if c := s.Issuer.Certificate; c != nil {
		m["issuer"] = c
	}
	return m
}

// reloadCertificates looks at the files of the certificates in use. What is wrong
// with one holds up nothing else: they are renewed by others than the
// configuration.
func (p *parts) reloadCertificates(log *logs, r *reloaded) {
	for name, c := range p.certificates() {
		changed, err := c.Reload()
		if changed || err != nil {
			p.tellCertificate(log, name, c, changed, err)
		}
		if changed {
			r.Changed = append(r.Changed, fmt.Sprintf("certificate of %s: valid until %s", name, c.NotAfter().UTC().Format(time.DateTime)))
		}
		if err != nil {
			r.Refused = append(r.Refused, fmt.Sprintf("certificate of %s: %v", name, err))
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

// loadNext is load for a configuration that is to take the place of another.
func loadNext(file string, inForce *config.Config, current *settings) (*config.Config, *settings, []config.Warning, error) {
	c, warnings, err := config.Load(config.Options{Path: file, Environ: os.Environ(), InForce: inForce})
	return settle(c, current, warnings, err)
}
