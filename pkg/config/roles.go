package config

import (
	"path/filepath"
	"time"
)

// completeRoles has the policy know the peers of the roles, so that whoever makes
// or renews it needs nothing else.
func (c *Config) completeRoles() {
	for i := range c.Roles {
		if r := &c.Roles[i]; len(r.Peers) > 0 {
			if c.Policy.Roles == nil {
				c.Policy.Roles = map[string][]Line{}
			}
			c.Policy.Roles[r.ID] = r.Peers
		}
	}
}

func (l *loader) checkRoles(roles []Role) {
	ids := map[string]string{}
	for i, r := range roles {
		path := entry("roles", i)
		l.checkID(under(path, "id"), r.ID, ids)
		checkOrder(l, path, "credential_ttl", r.CredentialTTL, "max_credential_ttl", r.MaxCredentialTTL)
		for _, d := range []struct {
			name  string
			value time.Duration
		}{{"max_session", r.MaxSession}, {"idle", r.Idle}} {
			if d.value > 0 && d.value < time.Second {
				l.judge(under(path, d.name), "is "+short(int64(d.value)), "give 1s or more, or 0s for no limit")
			}
		}
		checkUnique(l, under(path, "transports"), r.Transports)
		if len(r.Transports) == 0 {
			l.judge(under(path, "transports"), "is empty, so that its clients could allocate over none", "list those that are meant, or take the key away for all of them")
		}
	}
}

// checkShrunkRoles does for the peers of roles what checkShrunk does for the lists
// of the policy: without a line a role reaches what they kept it from.
func (l *loader) checkShrunkRoles(c *Config) {
	if l.inForce == nil || len(l.faults) > 0 || c.Policy.AllowEmpty {
		return
	}
	for i, r := range c.Roles {
		if had := len(l.inForce.Policy.Roles[r.ID]); had > 0 && len(r.Peers) == 0 {
			l.shrunk(&l.origin, under(entry("roles", i), "peers"), "has", had, "policy.allow_empty: true")
		}
	}
}

// revocationsName is the file in the state directory that the service manager
// gives.
const revocationsName = "revocations.jsonl"

// completeRevocations settles where revocations are kept. Of several state
// directories the first is ours (systemd.exec(5)).
func (l *loader) completeRevocations(c *Credentials) {
	state := filepath.SplitList(l.env["STATE_DIRECTORY"])
	switch {
	case c.RevocationsFile != "":
		c.RevocationsFile = l.inFolder(c.RevocationsFile)
	case len(state) > 0:
		c.RevocationsFile = filepath.Join(state[0], revocationsName)
	}
}
