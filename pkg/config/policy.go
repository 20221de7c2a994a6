package config

import (
	"iter"
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

// all are copies: whoever asks may change them.
func (p *Policy) all(kind int) (all Lists) {
	for l := range p.lines(kind, "deny") {
		all.Deny = append(all.Deny, *l)
	}
	for l := range p.lines(kind, "allow") {
		all.Allow = append(all.Allow, *l)
	}
	return all
}

// lines are those of one list over all files.
func (p *Policy) lines(kind int, key string) iter.Seq[*Line] {
	return func(yield func(*Line) bool) {
		lists := []Lists{kinds[kind].in(p)}
		for i := range p.Files {
			lists = append(lists, *kinds[kind].of(&p.Files[i]))
		}
		for _, l := range lists {
			list := l.named(key)
			for i := range list {
				if !yield(&list[i]) {
					return
				}
			}
		}
	}
}

// size is how many lines a list has over all files.
func (p *Policy) size(kind int, key string) (n int) {
	for range p.lines(kind, key) {
		n++
	}
	return n
}

// NextExpiry is when the first of the lines that hold expires, or the zero time
// if none ever does.
func (p *Policy) NextExpiry(now time.Time) (next time.Time) {
	for kind := range kinds {
		for _, key := range listKeys {
			for l := range p.lines(kind, key) {
				next = l.earlier(next, now)
			}
		}
	}
	for _, lines := range p.Roles {
		for i := range lines {
			next = lines[i].earlier(next, now)
		}
	}
	return next
}
