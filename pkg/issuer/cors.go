package issuer

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// What a page may send and read of what is not always allowed (Fetch §3.2.2).
const (
	corsHeaders = "Authorization, Content-Type, X-API-Key, X-Request-Id"
	corsExposed = "RateLimit, RateLimit-Policy, Retry-After, X-Request-Id"
	corsMaxAge  = "600" // seconds
)

// cors lets the page that asks read the answer, if any key is for its origin.
// Which key it shows is judged later; a preflight shows none. There are no
// cookies here, so no Access-Control-Allow-Credentials.
func (c *call) cors() {
	h := c.w.Header()
	h.Add("Vary", "Origin")
	if origin := c.Header.Get("Origin"); c.live.origins[origin] {
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Expose-Headers", corsExposed)
	}
}

// options answers OPTIONS, and with it what a browser asks before it lets a page
// ask (a preflight).
func (c *call) options(route *route) {
	h := c.w.Header()
	h.Set("Allow", route.allow())
	if h.Get("Access-Control-Allow-Origin") != "" && c.Header.Get("Access-Control-Request-Method") != "" {
		h.Set("Access-Control-Allow-Methods", route.allow())
		h.Set("Access-Control-Allow-Headers", corsHeaders)
		h.Set("Access-Control-Max-Age", corsMaxAge)
	}
	c.w.WriteHeader(http.StatusNoContent)
}

// fromOrigin reports whether a key may be used by the page that asks. Backends
// send no Origin: one that a key does not list is that of a page which should
// not have the key.
func (g *grant) fromOrigin(h http.Header) bool {
	lines := h.Values("Origin")
	return len(lines) == 0 || len(lines) == 1 && g.origins[lines[0]]
}

// checkOrigin wants https://HOST or https://HOST:PORT as browsers write it
// (RFC 6454 §6.1): what is not written so would match nothing.
func checkOrigin(origin string) error {
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "https" || u.Host == "" || origin != "https://"+u.Host || origin != strings.ToLower(origin) ||
		u.Port() == "443" || strings.HasSuffix(origin, ":") {
		return fmt.Errorf("origin %q: want https://HOST in lower case, with a port if it is not 443, and nothing behind it", origin)
	}
	host := u.Hostname()
	if _, err := netip.ParseAddr(host); err != nil && !isHostName(host) {
		return fmt.Errorf("origin %q: %q is neither a name nor an IP address; there are no wildcards", origin, host)
	}
	return nil
}
