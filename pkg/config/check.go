package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	maxRealm     = 127 // RFC 8489 §14.9
	thriftyRealm = 12  // what keeps a 401 within 2.4 times the smallest request
	maxName      = 32
	maxShared    = 8
	maxURIs      = 8
)

// check judges what was read: single values beyond their form, and values that
// have to fit each other. What could not be read is left out.
func (l *loader) check(c *Config) {
	l.checkRealm(c.Realm)
	for i, server := range c.STUNServers {
		if !isHostPort(server) {
			l.judge(entry("stun_servers", i), "is "+clip(server), "write HOST:PORT, an IPv6 address in brackets")
		}
	}
	l.checkListeners(c)
	l.checkRelay(&c.Relay)
	l.checkPorts(c)
	l.checkTLS(c)
	l.checkStreams(&c.Streams)
	l.checkRoles(c.Roles)
	l.checkCredentials(c)
	l.checkIssuer(c)
	l.checkRedirect(c)
	l.checkStore(&c.Store)
	l.checkAccounting(c)
	l.checkRules(c.Limits.Rules)
	if c.Limits.MaxLifetime%time.Second != 0 {
		l.judge("limits.max_lifetime", "is "+c.Limits.MaxLifetime.String(), "give whole seconds")
	}
	l.checkClients(&c.Policy)
	l.warnExpired(&c.Policy, time.Now())
	for i, e := range c.Operator.Listen {
		if !e.IsLoopback() && e.TCP.IsValid() {
			l.warn(entry("operator.listen", i), "is "+e.String()+": health and metrics without a password, for everybody who can reach it",
				"listen on a loopback address or a unix socket, or let a firewall choose who may connect")
		}
	}
}

func (l *loader) checkRealm(realm string) {
	const path = "realm"
	bad := len(realm) > maxRealm
	for i := range len(realm) {
		bad = bad || realm[i] < ' ' || realm[i] > '~' || realm[i] == '"' || realm[i] == '\\'
	}
	switch {
	case bad:
		l.judge(path, "is "+clip(realm), fmt.Sprintf("give 1 to %d printable ASCII characters without quote and backslash", maxRealm))
	case len(realm) > thriftyRealm:
		l.warn(path, fmt.Sprintf("has %d characters, so that answers to forged requests are more than 2.4 times as long as those", len(realm)),
			fmt.Sprintf("use %d or fewer", thriftyRealm))
	}
}

func (l *loader) checkListeners(c *Config) {
	if len(c.Listen) == 0 {
		l.judge("listen", "is empty", "list one address at least")
	}
	for i, listener := range c.Listen {
		path := entry("listen", i)
		transports := under(path, "transports")
		checkUnique(l, transports, listener.Transports)
		streams := slices.Contains(listener.Transports, TCP) || slices.Contains(listener.Transports, TLSOverTCP)
		if len(listener.Transports) == 0 {
			l.judge(transports, "is empty", "give one or more of udp, tcp, tls")
		}
		if slices.Contains(listener.Transports, TLSOverTCP) && c.TLS.CertificateFile == "" && !c.ACME.On() {
			l.judge(transports, "has tls, and there is no certificate", "give tls.certificate_file and tls.key_file, or acme.hosts, or take tls away", "tls", "acme")
		}
		if len(listener.ProxyProtocolFrom) > 0 && !streams {
			l.judge(under(path, "proxy_protocol_from"), "is for TCP and TLS, and this listener has neither",
				"take it away, or add tcp or tls to the transports", transports)
		}
	}
}

func (l *loader) checkRelay(r *Relay) {
	checkOrder(l, "relay", "min_port", r.MinPort, "max_port", r.MaxPort)
	if len(r.Addresses) == 0 {
		l.judge("relay.addresses", "is empty", "list one address at least: [{bind: auto}]")
	}
	first := map[AutoAddr]int{}
	for i, a := range r.Addresses {
		path := entry("relay.addresses", i)
		if j, found := first[a.Bind]; found {
			l.judge(under(path, "bind"), fmt.Sprintf("is %v, as that of entry %d", a.Bind, j), "list each address once", under(entry("relay.addresses", j), "bind"))
			continue
		}
		first[a.Bind] = i
		if !a.Bind.IsAuto() && a.Public.IsValid() && a.Bind.Is4() != a.Public.Is4() {
			l.judge(under(path, "public"), fmt.Sprintf("is %v, and the bind address %v is of the other family", a.Public, a.Bind),
				"give an address of the same family", under(path, "bind"))
		}
	}
}

func (l *loader) checkStreams(s *Streams) {
	checkOrder(l, "streams", "max_connections_per_ip", s.MaxConnectionsPerIP, "max_connections", s.MaxConnections)
	checkOrder(l, "streams", "first_message_timeout", s.FirstMessageTimeout, "authentication_timeout", s.AuthenticationTimeout)
}

// checkOrder reports a value above one that it must not exceed, at the one of
// the two that was given.
func checkOrder[T int | uint16 | time.Duration](l *loader, path, low string, lowest T, high string, highest T) {
	lowAt, highAt := under(path, low), under(path, high)
	_, lowGiven := l.places[lowAt]
	switch {
	case lowest <= highest:
	case lowGiven:
		l.judge(lowAt, "is "+scalarNode(lowest).Value+", above "+high+" ("+scalarNode(highest).Value+")", "lower it, or raise the other", highAt)
	default:
		l.judge(highAt, "is "+scalarNode(highest).Value+", below "+low+" ("+scalarNode(lowest).Value+")", "raise it, or lower the other", lowAt)
	}
}

// checkUnique reports entries that a list has twice.
func checkUnique[T ~string](l *loader, path string, list []T) {
	for i, item := range list {
		if slices.Contains(list[:i], item) {
			l.judge(entry(path, i), "is "+clip(string(item))+" once more", "list it once")
		}
	}
}

// checkID checks a name that records, usernames and variables are made of, and
// that nobody else has it. taken is who has which.
func (l *loader) checkID(path, id string, taken map[string]string) {
	if id == "" {
		return // missing or unreadable, and reported
	}
	if !isName(id) {
		l.judge(path, "is "+clip(id), fmt.Sprintf("give 1 to %d of A-Z a-z 0-9 _ -", maxName))
		return
	}
	if other := taken[id]; other != "" {
		l.judge(path, "is "+clip(id)+", as "+other+" is", "give each its own id")
		return
	}
	taken[id] = path
}

func isName(s string) bool { return s != "" && len(s) <= maxName && strings.Trim(s, nameChars) == "" }

// isHostPort reports whether s is a host name or address and a port.
func isHostPort(s string) bool {
	if at, err := netip.ParseAddrPort(s); err == nil {
		return at.Port() != 0 && !at.Addr().IsUnspecified()
	}
	host, port, found := strings.Cut(s, ":")
	n, err := strconv.ParseUint(port, 10, 16)
	return found && err == nil && n != 0 && isHostName(host)
}

// isHostName takes letters, digits and hyphens in dotted labels (RFC 1123
// §2.1). A last label of digits alone would be an IPv4 address gone wrong.
func isHostName(s string) bool {
	digits := false
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "-") != label || strings.ContainsRune(label, '_') ||
			strings.Trim(label, nameChars) != "" {
			return false
		}
		digits = strings.Trim(label, "0123456789") == ""
	}
	return len(s) <= 253 && !digits
}
