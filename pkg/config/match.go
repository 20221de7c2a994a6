package config

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// presets are the names that stand for addresses which the server knows itself.
var presets = []string{"special-purpose", "cloud-metadata", "transition", "rfc1918", "local-routes", "self"}

// Match says which addresses a line is about: a network, a range or a preset.
// One of the three is set.
type Match struct {
	Prefix   netip.Prefix // of a single address, too
	From, To netip.Addr   // both ends in
	Preset   string
}

// IsRange reports whether it is From to To.
func (m Match) IsRange() bool { return m.From.IsValid() }

// String is the match as it may stand in a file.
func (m Match) String() string {
	switch {
	case m.Prefix.IsSingleIP():
		return m.Prefix.Addr().String()
	case m.Prefix.IsValid():
		return m.Prefix.String()
	case m.IsRange():
		return m.From.String() + "-" + m.To.String()
	}
	return m.Preset
}

// MarshalText implements [encoding.TextMarshaler].
func (m Match) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (m *Match) UnmarshalText(text []byte) error {
	var p problem
	*m, p = parseMatch(string(text))
	return p.err()
}

func (p problem) err() error {
	if p.reason == "" {
		return nil
	}
	return errors.New(p.reason + "; " + p.cure)
}

// parseMatch reads a match. Only networks have a slash, and only ranges an
// address on each side of a hyphen.
func parseMatch(text string) (Match, problem) {
	switch {
	case slices.Contains(presets, text):
		return Match{Preset: text}, problem{}
	case strings.Contains(text, "/"):
		p, err := netip.ParsePrefix(text)
		return Match{Prefix: p}, prefixProblem(text, p, err)
	}
	if addr, err := netip.ParseAddr(text); err == nil {
		p := lineAddrProblem(text, addr)
		return Match{Prefix: netip.PrefixFrom(addr, addr.BitLen())}, p
	}
	if from, to, found := strings.Cut(text, "-"); found {
		first, err := netip.ParseAddr(from)
		last, bad := netip.ParseAddr(to)
		if err == nil && bad == nil {
			return Match{From: first, To: last}, rangeProblem(text, first, last)
		}
	}
	return Match{}, nameProblem(text)
}

func lineAddrProblem(text string, addr netip.Addr) problem {
	switch {
	case addr.Zone() != "":
		return problem{"is " + clip(text) + ", an address with a zone", "write it without, no datagram carries a zone (RFC 4007 §6)"}
	case addr.Is4In6():
		return problem{"is " + clip(text) + ", an IPv4-mapped address", "write " + addr.Unmap().String() + ", mapped addresses are judged as IPv4"}
	}
	return problem{}
}

func rangeProblem(text string, from, to netip.Addr) problem {
	for _, end := range []netip.Addr{from, to} {
		if p := lineAddrProblem(text, end); p.reason != "" {
			return p
		}
	}
	switch {
	case from.Is4() != to.Is4():
		return problem{"is " + clip(text) + ", a range over two families", "write FROM-TO with two IPv4 or two IPv6 addresses"}
	case to.Less(from):
		return problem{"is " + clip(text) + ", a range that ends before it begins", fmt.Sprintf("write %v-%v", to, from)}
	}
	return problem{}
}

// matchForms are what may stand in a line.
const matchForms = "ADDRESS/BITS, FROM-TO, an address or a preset"

// nameProblem is about what is neither an address nor a preset. A name is not
// looked up: what it means is for others to say, and may change.
func nameProblem(text string) problem {
	if near := Nearest(text, presets); near != "" {
		return problem{"is " + clip(text) + ", no preset", "give one of " + strings.Join(presets, ", ") + "; did you mean " + near + "?"}
	}
	if isHostName(text) && strings.Contains(text, ".") {
		return problem{"is " + clip(text) + ", a name", "write its addresses, names are not looked up"}
	}
	return problem{"is " + clip(text) + ", no network", "write " + matchForms + " (" + strings.Join(presets, ", ") + ")"}
}

// Ports are a port, or a run of them with both ends in.
type Ports struct{ First, Last uint16 }

// String is the ports as they stand in a file.
func (p Ports) String() string {
	if p.First == p.Last {
		return strconv.Itoa(int(p.First))
	}
	return fmt.Sprintf("%d-%d", p.First, p.Last)
}

// MarshalText implements [encoding.TextMarshaler].
func (p Ports) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (p *Ports) UnmarshalText(text []byte) error {
	var bad problem
	*p, bad = parsePorts(string(text))
	return bad.err()
}

func parsePorts(text string) (Ports, problem) {
	from, to, isRun := strings.Cut(text, "-")
	if !isRun {
		to = from
	}
	first, ok := parsePort(from)
	last, also := parsePort(to)
	switch {
	case !ok || !also:
		return Ports{}, problem{"is " + clip(text) + ", no port", "write PORT or FROM-TO, from 1 to 65535"}
	case last < first:
		return Ports{}, problem{"is " + clip(text) + ", a range that ends before it begins", fmt.Sprintf("write %d-%d", last, first)}
	}
	return Ports{first, last}, problem{}
}

// parsePort takes decimal digits alone: 010 and 0x50 are numbers to YAML, and
// other ones than they seem.
func parsePort(text string) (uint16, bool) {
	n, err := strconv.ParseUint(text, 10, 16)
	return uint16(n), err == nil && n > 0 && text[0] != '0'
}
