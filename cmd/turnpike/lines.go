package main

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"turnpike/pkg/config"
	"turnpike/pkg/netpolicy"
)

// prefixes are the lines of a list that hold now, as the policy takes them. One
// that it can't judge as it is meant is refused, not bent.
func (l *loader) prefixes(lines []config.Line, now time.Time) (all []netip.Prefix) {
	for i := range lines {
		line := &lines[i]
		switch {
		case line.Expired(now):
		case len(line.Ports) > 0:
			l.faults = append(l.faults, line.Fault("has ports, which this version does not judge", "take the ports or the line away"))
		case line.Match.Preset != "":
			l.faults = append(l.faults, line.Fault("is the preset "+line.Match.Preset+", which this version does not judge", "write the networks it stands for"))
		case line.Match.IsRange():
			all = append(all, spanned(line.Match.From, line.Match.To)...)
		default:
			all = append(all, line.Match.Prefix)
		}
	}
	return all
}

// spanned are the fewest prefixes that hold the addresses of a range and no
// other.
func spanned(from, to netip.Addr) (all []netip.Prefix) {
	for from.IsValid() && !to.Less(from) {
		p := netip.PrefixFrom(from, from.BitLen())
		for p.Bits() > 0 {
			wider := netip.PrefixFrom(from, p.Bits()-1)
			if wider.Masked() != wider || to.Less(lastOf(wider)) {
				break
			}
			p = wider
		}
		all = append(all, p)
		from = lastOf(p).Next()
	}
	return all
}

func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for bit := p.Bits(); bit < len(b)*8; bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	last, _ := netip.AddrFromSlice(b)
	return last
}

// policy turns the lines into settings. What the policy finds wrong with one is
// told with its place.
func (l *loader) policy() policySettings {
	c, now, before := &l.c.Policy, time.Now(), len(l.faults)
	peers := c.PeerLines()
	p := policySettings{Allow: l.prefixes(peers.Allow, now), Deny: l.prefixes(peers.Deny, now)}
	if c.Mode == config.AllowList {
		p.Mode = netpolicy.AllowList
	}
	l.noClients()
	if len(l.faults) > before {
		return p // what could not be taken would be missed
	}
	o := netpolicy.Options{Allow: p.Allow, Deny: p.Deny}
	o.HostAddrs, o.Broadcasts, _ = hostAddrs() // an error comes again where the policy is made
	if _, err := netpolicy.New(o); err == nil {
		return p
	}
	for i := range peers.Allow {
		o.Allow, o.Deny = l.prefixes(peers.Allow[i:i+1], now), nil
		l.line(&peers.Allow[i], o)
	}
	for i := range peers.Deny {
		o.Allow, o.Deny = nil, l.prefixes(peers.Deny[i:i+1], now)
		l.line(&peers.Deny[i], o)
	}
	return p
}

// noClients refuses lists of clients: nothing obeys them yet.
func (l *loader) noClients() {
	for _, lists := range []config.Lists{l.c.Policy.ClientLines(), l.c.Policy.IssuerClientLines()} {
		for _, line := range slices.Concat(lists.Deny, lists.Allow) {
			l.faults = append(l.faults, line.Fault("is about clients, whom this version does not judge", "take the line away"))
		}
	}
	for path, mode := range map[string]config.Mode{"policy.clients.mode": l.c.Policy.Clients.Mode, "policy.issuer_clients.mode": l.c.Policy.IssuerClients.Mode} {
		if mode == config.AllowList {
			l.fault(path, "take the key away", "is about clients, whom this version does not judge")
		}
	}
}

// line judges a list of one line. The words begin with its place in that list,
// which is not the one in the file.
func (l *loader) line(line *config.Line, o netpolicy.Options) {
	if _, err := netpolicy.New(o); err != nil {
		_, words, found := strings.Cut(err.Error(), "[0] ")
		if !found {
			words = err.Error()
		}
		l.faults = append(l.faults, line.Fault(words, ""))
	}
}

// explain says what becomes of a peer, or with port 0 of a permission for it, by
// which rule and where that stands.
func (h *host) explain(peer netip.AddrPort) (allowed bool, words string) {
	verdict, asked := h.policy.Peer(peer, nil), peer.String()
	if peer.Port() == 0 {
		asked, verdict = peer.Addr().String(), h.policy.Permission(peer.Addr())
		if verdict.Rule == netpolicy.OwnRelay {
			return true, asked + ": allowed by own_relay: a relay address of ours; each port is judged when it is used"
		}
		for peer.Port() == 0 || h.policy.Peer(peer, nil).Rule != verdict.Rule && peer.Port() < 65535 {
			peer = netip.AddrPortFrom(peer.Addr(), peer.Port()+1) // past those of our services
		}
	}
	_, why, _ := strings.Cut(h.policy.Explain(peer, nil), ": ")
	peers := h.c.Policy.PeerLines()
	for list, lines := range map[string][]config.Line{"deny line ": peers.Deny, "allow line ": peers.Allow} {
		if _, prefix, found := strings.Cut(why, list); found {
			why += placeOf(prefix, lines)
		}
	}
	return verdict.Allowed, asked + ": " + why
}

// placeOf is where the line stands that has the prefix, with what it says beside.
func placeOf(prefix string, lines []config.Line) string {
	for i := range lines {
		for _, p := range (&loader{}).prefixes(lines[i:i+1], time.Now()) {
			if p.String() == prefix {
				return " at " + lines[i].Place.String() + " (" + lines[i].String() + ")"
			}
		}
	}
	return ""
}
