package netpolicy

import (
	"fmt"
	"net/netip"
)

// Preset is a list of prefixes by name. The zero Preset is none.
type Preset uint8

const (
	PresetSpecialPurpose Preset = iota + 1 // every row of the table in special.go
	PresetCloudMetadata                    // its rows of that rule
	PresetTransition                       // its rows of that rule
	PresetRFC1918                          // the private networks of IPv4
	PresetLocalRoutes                      // the networks this host is in or has a route of its own to
	PresetSelf                             // this host's addresses, and those of the relay pools

	numPresets = iota + 1
)

var presetNames = [numPresets]string{
	PresetSpecialPurpose: "special-purpose", PresetCloudMetadata: "cloud-metadata", PresetTransition: "transition",
	PresetRFC1918: "rfc1918", PresetLocalRoutes: "local-routes", PresetSelf: "self",
}

// String is the preset's name in a list.
func (p Preset) String() string {
	if p != 0 && int(p) < numPresets {
		return presetNames[p]
	}
	return "unknown"
}

// ParsePreset finds a preset by its name.
func ParsePreset(name string) (Preset, bool) {
	for p := PresetSpecialPurpose; int(p) < numPresets; p++ {
		if presetNames[p] == name {
			return p, true
		}
	}
	return 0, false
}

func (p Preset) wrong() string {
	if int(p) >= numPresets {
		return fmt.Sprintf("preset %d is none of the known; write one of %v", uint8(p), presetNames[1:])
	}
	return ""
}

// host is what the presets need to know of the host.
type host struct {
	routes []netip.Prefix
	self   []netip.Addr
}

// prefixes are those that a line stands for; its form is right.
func (h host) prefixes(l Line) []netip.Prefix {
	switch l.Preset {
	case 0:
		if l.From.IsValid() {
			return cover(l.From, l.To)
		}
		return []netip.Prefix{l.Prefix}
	case PresetLocalRoutes:
		return h.routes
	case PresetSelf:
		return singles(h.self)
	}
	return l.Preset.rows()
}

func singles(list []netip.Addr) (out []netip.Prefix) {
	for _, addr := range list {
		if addr = plain(addr); addr.IsValid() {
			out = append(out, netip.PrefixFrom(addr, addr.BitLen()))
		}
	}
	return out
}

// rows are the prefixes of a preset that the table of special ranges knows.
func (p Preset) rows() (out []netip.Prefix) {
	for _, table := range [][]special{special4, special6} {
		for _, r := range table {
			if p.holds(r.rule) {
				out = append(out, r.prefix)
			}
		}
	}
	return out
}

func (p Preset) holds(r Rule) bool {
	switch p {
	case PresetSpecialPurpose:
		return true
	case PresetCloudMetadata:
		return r == CloudMetadata
	case PresetTransition:
		return r == Transition
	case PresetRFC1918:
		return r == Private
	}
	return false
}
