package issuer

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Proxies are the networks of the proxies whose word is taken for who asks.
type Proxies []netip.Prefix

// errClient is what is wrong with the word of a proxy. It is refused rather
// than taken for the proxy's own address, which may be allowed what its clients
// are not.
var errClient = errors.New("the proxy does not say who asks")

// Trusts reports whether the word of that address is taken.
func (p Proxies) Trusts(addr netip.Addr) bool {
	return slices.ContainsFunc(p, func(n netip.Prefix) bool { return n.Contains(addr) })
}

// Client is the address that a request comes from. X-Forwarded-For, or Forwarded
// (RFC 7239), is read from the right, where the nearest proxy has written, and
// only as far as those who wrote are trusted: what a client puts there itself
// stands on the left. A proxy adds to one of the two and lets the other through,
// so that both at once are refused. Who comes by a unix socket is of this host:
// 127.0.0.1.
func (p Proxies) Client(r *http.Request) (netip.Addr, error) {
	at := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	if from, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		at = from.Addr().Unmap().WithZone("")
	}
	if !p.Trusts(at) {
		return at, nil
	}
	hops, err := forwarded(r.Header)
	if err != nil {
		return netip.Addr{}, err
	}
	for _, hop := range slices.Backward(hops) {
		if at, err = parseHop(hop); err != nil || !p.Trusts(at) {
			return at, err
		}
	}
	return at, nil
}

// forwarded is for whom each proxy passed the request on, the nearest last.
func forwarded(h http.Header) (hops []string, err error) {
	plain, standard := h.Values("X-Forwarded-For"), h.Values("Forwarded")
	switch {
	case len(plain) > 0 && len(standard) > 0:
		return nil, fmt.Errorf("%w: X-Forwarded-For and Forwarded at once; have the proxy delete the one it does not write", errClient)
	case len(plain) > 0:
		for hop := range strings.SplitSeq(strings.Join(plain, ","), ",") {
			hops = append(hops, strings.Trim(hop, " \t"))
		}
		return hops, nil
	}
	for rest := strings.Join(standard, ","); rest != ""; {
		var hop string
		if hop, rest, err = nextElement(rest); err != nil {
			return nil, err
		}
		hops = append(hops, hop)
	}
	return hops, nil
}

// nextElement reads one element of Forwarded: pairs with semicolons between
// them, up to a comma. A value may be quoted, and then hold any of them; one
// that is not closed would hide what the proxy has written behind it.
func nextElement(s string) (hop, rest string, err error) {
	for {
		name, after, found := strings.Cut(s, "=")
		value, after, ok := nextValue(after)
		if !found || !ok || strings.ContainsAny(name, `",;`) {
			return "", "", fmt.Errorf("%w: Forwarded is not as RFC 7239 §4 has it", errClient)
		}
		if strings.EqualFold(strings.Trim(name, " \t"), "for") {
			if hop != "" {
				return "", "", fmt.Errorf("%w: an element of Forwarded has for twice", errClient)
			}
			hop = value
		}
		switch {
		case after == "":
			return hop, "", nil
		case after[0] == ',':
			return hop, after[1:], nil
		}
		s = after[1:]
	}
}

// nextValue reads a token or a quoted string and the space behind it. Escapes
// are refused: no address has one.
func nextValue(s string) (value, rest string, ok bool) {
	if quoted, found := strings.CutPrefix(s, `"`); found {
		value, rest, ok = strings.Cut(quoted, `"`)
		rest = strings.TrimLeft(rest, " \t")
		ok = ok && !strings.Contains(value, `\`) && (rest == "" || rest[0] == ',' || rest[0] == ';')
		return value, rest, ok
	}
	end := strings.IndexAny(s, ",;")
	if end < 0 {
		end = len(s)
	}
	value = strings.TrimRight(s[:end], " \t")
	return value, s[end:], !strings.ContainsAny(value, "\" \t")
}

// parseHop takes an address with or without brackets and port. Of "unknown" and
// obfuscated names (RFC 7239 §6.2, §6.3) nothing is known.
func parseHop(hop string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(hop, "["), "]"))
	if err != nil {
		var at netip.AddrPort
		at, err = netip.ParseAddrPort(hop)
		addr = at.Addr()
	}
	if err != nil {
		return netip.Addr{}, fmt.Errorf("%w: %s is no address", errClient, quote(hop))
	}
	return addr.Unmap().WithZone(""), nil
}
