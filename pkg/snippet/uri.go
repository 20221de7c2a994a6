package snippet

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// URI is one of RFC 7064 or RFC 7065, taken apart.
type URI struct {
	Scheme    string // stun, turn or turns
	Host      string // a name or an address, an IPv6 one without brackets
	Port      uint16
	Transport string // udp or tcp
}

// ParseURI takes a URI apart as the issuer hands them out: nothing is left to a
// default, but that STUN is asked over UDP.
func ParseURI(text string) (URI, error) {
	scheme, rest, _ := strings.Cut(text, ":")
	at, transport, given := strings.Cut(rest, "?transport=")
	if !given && scheme == "stun" {
		transport = "udp"
	}
	host, port, err := net.SplitHostPort(at)
	if err != nil {
		return URI{}, fmt.Errorf("snippet: %q: %w", text, err)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || transport == "" {
		return URI{}, fmt.Errorf("snippet: %q is not SCHEME:HOST:PORT?transport=udp or tcp", text)
	}
	return URI{Scheme: scheme, Host: host, Port: uint16(number), Transport: transport}, nil
}

// At is the host and the port.
func (u URI) At() string { return net.JoinHostPort(u.Host, strconv.Itoa(int(u.Port))) }

// Protocol is udp, tcp or tls.
func (u URI) Protocol() string {
	if u.Scheme == "turns" {
		return "tls"
	}
	return u.Transport
}

func (u URI) String() string {
	if u.Scheme == "stun" {
		return "stun:" + u.At()
	}
	return u.Scheme + ":" + u.At() + "?transport=" + u.Transport
}
