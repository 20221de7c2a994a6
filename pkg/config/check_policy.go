package config

import (
	"fmt"
	"slices"
	"time"
)

// checkClients judges who may come, as far as that is wrong by itself.
func (l *loader) checkClients(p *Policy) {
	for i, c := range []*ClientPolicy{&p.Clients, &p.IssuerClients} {
		k := kinds[i+1]
		l.checkClientLines(k.main, c.lists())
		if c.Mode == AllowList && p.size(i+1, "allow") == 0 && len(l.faults) == 0 {
			l.warn(under(k.main, "mode"), "is allowlist, and no line allows anybody", "allow somebody in "+k.main+".allow or a policy file, or take the mode away")
		}
	}
}

// warnExpired tells the lines that count for nothing any more.
func (l *loader) warnExpired(p *Policy, now time.Time) {
	for kind := range kinds {
		for _, key := range listKeys {
			for line := range p.lines(kind, key) {
				l.warnIfExpired(line, now)
			}
		}
	}
	for _, lines := range p.Roles {
		for i := range lines {
			l.warnIfExpired(&lines[i], now)
		}
	}
}

func (l *loader) warnIfExpired(line *Line, now time.Time) {
	if line.Expired(now) {
		l.warnings = append(l.warnings, Warning(line.Fault("expired at "+line.ExpiresAt.Format(time.RFC3339)+" and counts for nothing", "take the line away")))
	}
}

// checkShrunk refuses a list without lines that has some in the configuration in
// force: half of a file, an editor's slip and a folder that is not mounted look
// like that, and it would open what the lines shut.
func (l *loader) checkShrunk(c *Config) {
	if l.inForce == nil || len(l.faults) > 0 {
		return
	}
	for kind := range kinds {
		for _, key := range listKeys {
			l.checkShrunkList(&l.inForce.Policy, &c.Policy, kind, key)
		}
	}
}

// checkShrunkList judges one list: in the main file, in each policy file that is
// still there, and over all, as a file may be taken away.
func (l *loader) checkShrunkList(before, now *Policy, kind int, key string) {
	k, told := kinds[kind], len(l.faults)
	if had := k.in(before).named(key); len(had) > 0 && len(k.in(now).named(key)) == 0 && !now.AllowEmpty {
		l.shrunk(&l.origin, under(k.main, key), "has", len(had), "policy.allow_empty: true")
	}
	for i := range now.Files {
		f := &now.Files[i]
		had := before.file(f.origin.file)
		if had == nil || len(k.of(f).named(key)) > 0 || f.AllowEmpty {
			continue
		}
		if lines := k.of(had).named(key); len(lines) > 0 {
			l.shrunk(&f.origin, under(k.file, key), "has", len(lines), "allow_empty: true in this file")
		}
	}
	had := before.size(kind, key)
	if len(l.faults) == told && had > 0 && now.size(kind, key) == 0 && !now.saysEmpty() {
		l.shrunk(&l.origin, "policy.directory", "and "+under(k.main, key)+" have", had, "policy.allow_empty: true")
	}
}

// file is the policy file of that path, or nil.
func (p *Policy) file(path string) *PolicyFile {
	for i := range p.Files {
		if p.Files[i].origin.file == path {
			return &p.Files[i]
		}
	}
	return nil
}

// saysEmpty reports whether a list may be empty over all files.
func (p *Policy) saysEmpty() bool {
	return p.AllowEmpty || slices.ContainsFunc(p.Files, func(f PolicyFile) bool { return f.AllowEmpty })
}

func (l *loader) shrunk(at *origin, path, has string, had int, allow string) {
	l.faults = append(l.faults, at.Fault(path, fmt.Sprintf("%s no line any more, and %d in the configuration in force", has, had),
		"put the lines back, or say "+allow+" if none is meant"))
}
