package issuer

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"turnpike/auth"
)

// maxURIs is the most TURN URIs handed out: a browser makes an allocation for
// each of them, and warns from five on.
const maxURIs = 8

// answer is the body of a success: one superset that the clients of the TURN
// REST API read (username, password, ttl, uris) and that is an RTCConfiguration
// as it stands (iceServers, iceTransportPolicy), which ignores what it does not
// know (Web IDL, dictionaries).
type answer struct {
	ID                 string      `json:"id"`
	Username           string      `json:"username"`
	Password           string      `json:"password"`
	Credential         string      `json:"credential"` // the password, under the name browsers give it
	TTL                int64       `json:"ttl"`        // seconds
	ExpiresAt          string      `json:"expires_at"` // RFC 3339, UTC
	URIs               []string    `json:"uris"`       // turn and turns only: Matrix and Janus know no other
	ICEServers         []iceServer `json:"iceServers"`
	ICETransportPolicy string      `json:"iceTransportPolicy"`
}

type iceServer struct {
	URLs       []string `json:"urls"`
	Username   string   `json:"username,omitempty"`
	Credential string   `json:"credential,omitempty"`
}

// newAnswer dresses a credential in the addresses it is for.
func newAnswer(c auth.Credential, to addresses) *answer {
	a := &answer{
		ID:                 c.ID,
		Username:           c.Username,
		Password:           c.Password,
		Credential:         c.Password,
		TTL:                int64(c.TTL / time.Second),
		ExpiresAt:          c.Expires.UTC().Format(time.RFC3339),
		URIs:               to.turn,
		ICETransportPolicy: "all",
	}
	if len(to.stun) > 0 {
		a.ICEServers = append(a.ICEServers, iceServer{URLs: to.stun})
	}
	a.ICEServers = append(a.ICEServers, iceServer{URLs: to.turn, Username: c.Username, Credential: c.Password})
	if c.Role.RelayOnly {
		a.ICETransportPolicy = "relay"
	}
	return a
}

// checkTURN wants turn:host:port?transport=udp|tcp or turns:host:port?transport=tcp
// (RFC 7065) with nothing left to a client's defaults: clients differ on the
// port of turns (5349, 443) and on the transport.
func checkTURN(uri string) error {
	scheme, rest, _ := strings.Cut(uri, ":")
	address, transport, found := strings.Cut(rest, "?transport=")
	switch {
	case scheme != "turn" && scheme != "turns":
		return errors.New("want turn:host:port?transport=udp|tcp or turns:host:port?transport=tcp")
	case !found:
		return errors.New("no transport: end it with ?transport=udp or ?transport=tcp")
	case transport != "tcp" && (transport != "udp" || scheme == "turns"):
		return errors.New("the transport of turn is udp or tcp, of turns tcp")
	}
	return checkAddress(address)
}

// checkSTUN wants stun:host:port. A query makes browsers refuse the whole
// configuration (RFC 7064 has none).
func checkSTUN(uri string) error {
	address, found := strings.CutPrefix(uri, "stun:")
	if !found {
		return errors.New("want stun:host:port")
	}
	return checkAddress(address)
}

// checkAddress wants host:port, an IPv6 host in brackets, that a client could
// send to.
func checkAddress(address string) error {
	colon := strings.LastIndexByte(address, ':')
	if colon < 0 {
		return errors.New("no port: write host:port")
	}
	host, port := address[:colon], address[colon+1:]
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || strconv.FormatUint(n, 10) != port {
		return fmt.Errorf("port %q: want 1 to 65535", port)
	}
	literal, bracketed := strings.CutPrefix(host, "[")
	if bracketed {
		literal, bracketed = strings.CutSuffix(literal, "]")
	}
	ip, err := netip.ParseAddr(literal)
	switch {
	case err != nil && !isHostName(host):
		return fmt.Errorf("host %q is neither a name nor an IP address", host)
	case err != nil:
		return nil
	case ip.Is6() != bracketed:
		return fmt.Errorf("host %q: an IPv6 address, and only one, stands in brackets", host)
	case ip.Zone() != "" || ip.Is4In6() || ip.IsUnspecified() || ip.IsMulticast():
		return fmt.Errorf("no client can send to %s: give the server's public address or name", ip)
	}
	return nil
}

// isHostName takes letters, digits and hyphens in dotted labels (RFC 1123
// §2.1). A last label of digits alone would be an IPv4 address gone wrong.
func isHostName(s string) bool {
	if len(s) > 253 {
		return false
	}
	digits := false
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.Trim(label, letters+"0123456789-") != "" {
			return false
		}
		digits = strings.Trim(label, "0123456789") == ""
	}
	return !digits
}

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
