package main

import (
	"context"
	"time"

	"turnpike/pkg/hostnet"
)

// renewAgain is how soon lists are made again that could not be.
const renewAgain = time.Second

// followHost tells when the addresses or routes of this host have changed.
func followHost(ctx context.Context, log *logs, moved func()) {
	host, err := hostnet.Read()
	if err == nil {
		err = hostnet.Watch(ctx, host, func(hostnet.Host) { moved() })
	}
	if err != nil {
		log.Error("the network of this host can't be followed; its addresses and routes count as they are at each reload", "error", err)
	}
}

// setExpiry has the timer end when the next line of the policy expires.
func (p *parts) setExpiry(t *time.Timer) {
	t.Stop()
	if p.reloads.renewing {
		t.Reset(renewAgain)
		return
	}
	if c := p.reloads.configured; c != nil {
		if next := c.Policy.NextExpiry(p.settings.Load().Policy.At); !next.IsZero() {
			t.Reset(time.Until(next))
		}
	}
}

// renew makes the lists again of the configuration in force, as time and the
// network of this host have it now. The files are not read: an edit that is under
// way or refused must not keep a line that has expired in force.
func (p *parts) renew(log *logs, why string) {
	s := *p.settings.Load()
	if c := p.reloads.configured; c != nil {
		s.Policy = linesAt(&c.Policy, time.Now())
		s.Policy.keepRoles(p.settings.Load().Policy, s.Keyring.Roles)
	}
	l, err := p.newLists(s.Policy)
	rest, shut := s.Policy.withoutShut(err)
	if len(shut) > 0 {
		l, err = p.newLists(rest)
	}
	if p.reloads.renewing = err != nil; err != nil {
		log.Error("the policy can't be made again; the one before stays, and it is tried again", "because", why, "error", err)
		return
	}
	p.settings.Store(&s)
	p.obey(l)
	log.Info("the policy was made again", "because", why, "lines_that_open_nothing_now", shut)
}
