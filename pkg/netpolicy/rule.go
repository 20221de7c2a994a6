package netpolicy

// Rule is what decided about a peer. The set is closed, so it can be a metric
// label.
//
// Rules stand in order of severity: where an address is judged in more than one
// reading the smaller rule counts.
type Rule uint8

const (
	Invalid Rule = iota // not an address, one with a zone, or port 0

	Loopback      // hard deny: 127.0.0.0/8, ::1
	ThisNetwork   // hard deny: 0.0.0.0/8, ::
	Multicast     // hard deny: 224.0.0.0/4, ff00::/8
	Broadcast     // hard deny: 255.255.255.255, directed broadcast of our networks
	LinkLocal     // hard deny: 169.254.0.0/16, fe80::/10
	CloudMetadata // hard deny: where cloud platforms hand out credentials
	OwnService    // hard deny: a listening address of ours, or Redis, or the issuer

	OperatorDeny // a deny line
	OwnHost      // an address of this host; opened by an allow line of it alone

	Private       // built-in deny: RFC 1918
	SharedCGN     // built-in deny: 100.64.0.0/10
	UniqueLocal   // built-in deny: fc00::/7
	SiteLocal     // built-in deny: fec0::/10
	Documentation // built-in deny
	Benchmark     // built-in deny
	Transition    // built-in deny: IPv4 in IPv6
	CloudPlatform // built-in deny: services of cloud platforms in public space
	Discard       // built-in deny: 100::/64
	Protocol      // built-in deny: IETF protocol assignments
	Reserved      // built-in deny: not assigned for unicast
	DefaultDeny   // nothing names it, and the mode is AllowList
	RoleDeny      // allowed, but none of the peers of the client's role

	OperatorAllow // an allow line
	DefaultAllow  // nothing names it, and the mode is Public
	OwnRelay      // permission for an own relay address; a port decides later
	LiveRelay     // a currently allocated relay port of ours
	OwnHealth     // a client: where the server asks itself from whether it is well

	NumRules int = iota
)

var ruleNames = [NumRules]string{
	Invalid:  "invalid",
	Loopback: "loopback", ThisNetwork: "this_network", Multicast: "multicast",
	Broadcast: "broadcast", LinkLocal: "link_local", CloudMetadata: "cloud_metadata",
	OwnService:   "own_service",
	OperatorDeny: "operator_deny", OwnHost: "own_host",
	Private: "private", SharedCGN: "shared_cgn", UniqueLocal: "unique_local",
	SiteLocal: "site_local", Documentation: "documentation", Benchmark: "benchmark",
	Transition: "transition", CloudPlatform: "cloud_platform", Discard: "discard",
	Protocol: "protocol_assignment", Reserved: "reserved", DefaultDeny: "default_deny", RoleDeny: "role_deny",
	OperatorAllow: "operator_allow", DefaultAllow: "default_allow",
	OwnRelay: "own_relay", LiveRelay: "live_relay", OwnHealth: "own_health",
}

// String is the rule's name in metrics and records.
func (r Rule) String() string {
	if int(r) < NumRules {
		return ruleNames[r]
	}
	return "unknown"
}

// hard reports whether no configuration overrides the rule.
func (r Rule) hard() bool { return r <= OwnService }

// allows reports whether the rule lets the peer be reached.
func (r Rule) allows() bool { return r >= OperatorAllow && int(r) < NumRules }

// Verdict is the answer about a peer. The zero Verdict refuses.
type Verdict struct {
	Allowed bool
	Rule    Rule
}

func verdict(r Rule) Verdict { return Verdict{Allowed: r.allows(), Rule: r} }
