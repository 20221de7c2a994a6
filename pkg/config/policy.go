package config

import (
	"slices"
	"time"
)

// kinds are the lists of a policy: where they stand in the main file and in a
// policy file.
var kinds = []struct {
	main, file string
	in         func(*Policy) Lists
	of         func(*PolicyFile) *Lists
}{
	{"policy", "peers", func(p *Policy) Lists { return Lists{p.Deny, p.Allow} }, func(f *PolicyFile) *Lists { return &f.Peers }},
	{"policy.clients", "clients", func(p *Policy) Lists { return p.Clients.lists() }, func(f *PolicyFile) *Lists { return &f.Clients }},
	{"policy.issuer_clients", "issuer_clients", func(p *Policy) Lists { return p.IssuerClients.lists() }, func(f *PolicyFile) *Lists { return &f.IssuerClients }},
}

func (p *ClientPolicy) lists() Lists { return Lists{p.Deny, p.Allow} }

// listKeys are the keys of the two lists of a kind, in the order of judging.
var listKeys = []string{"deny", "allow"}

// named is the list of that key.
func (l Lists) named(key string) []Line {
	if key == "deny" {
		return l.Deny
	}
	return l.Allow
}

func (l Lists) size() int { return len(l.Deny) + len(l.Allow) }

// PeerLines are the lines about peers: those of the main file, then those of the
// policy files in the order of their names.
func (p *Policy) PeerLines() Lists { return p.all(0) }

// ClientLines are the lines about who may send to the relay, in that order.
func (p *Policy) ClientLines() Lists { return p.all(1) }

// IssuerClientLines are the lines about who may ask the issuer, in that order.
func (p *Policy) IssuerClientLines() Lists { return p.all(2) }

func (p *Policy) all(kind int) Lists {
	all := kinds[kind].in(p)
	all.Deny, all.Allow = slices.Clip(all.Deny), slices.Clip(all.Allow)
	for i := range p.Files {
		f := kinds[kind].of(&p.Files[i])
		all.Deny, all.Allow = append(all.Deny, f.Deny...), append(all.Allow, f.Allow...)
	}
	return all
}

// NextExpiry is when the first of the lines that hold expires, or the zero time
// if none ever does.
func (p *Policy) NextExpiry(now time.Time) (next time.Time) {
	for kind := range kinds {
		all := p.all(kind)
		for _, key := range listKeys {
			lines := all.named(key)
			for i := range lines {
				if at := lines[i].ExpiresAt; at.After(now) && (next.IsZero() || at.Before(next)) {
					next = at
				}
			}
		}
	}
	return next
}
