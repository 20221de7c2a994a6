package load

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// Server is where a TURN server is, as an RFC 7065 URI tells it.
type Server struct {
	Host      string
	Port      uint16
	Transport Transport
}

// Transport is what lies between a client and the server.
type Transport string

// The transports of RFC 8656, without DTLS.
const (
	UDP Transport = "udp"
	TCP Transport = "tcp"
	TLS Transport = "tls"
)

func (s Server) String() string {
	scheme := "turn"
	if s.Transport == TLS {
		scheme = "turns"
	}
	uri := scheme + ":" + net.JoinHostPort(s.Host, strconv.Itoa(int(s.Port)))
	if s.Transport == TCP {
		uri += "?transport=tcp"
	}
	return uri
}

// ParseServer reads turn:HOST[:PORT][?transport=udp|tcp] or
// turns:HOST[:PORT][?transport=tcp]. An IPv6 address stands in brackets.
func ParseServer(uri string) (Server, error) {
	s, err := parseServer(uri)
	if err != nil {
		return Server{}, fmt.Errorf("%q: %w; want turn:HOST[:PORT][?transport=udp|tcp] or turns:HOST[:PORT]", uri, err)
	}
	return s, nil
}

func parseServer(uri string) (s Server, err error) {
	scheme, rest, found := strings.Cut(uri, ":")
	if !found {
		return s, errors.New("not a URI")
	}
	s.Port, s.Transport = 3478, UDP
	switch strings.ToLower(scheme) {
	case "turn":
	case "turns":
		s.Port, s.Transport = 5349, TLS
	default:
		return s, fmt.Errorf("scheme %q", scheme)
	}
	at, query, asked := strings.Cut(rest, "?")
	if asked {
		if s.Transport, err = overTransport(s.Transport, query); err != nil {
			return s, err
		}
	}
	s.Host = at
	if strings.HasPrefix(at, "[") && strings.HasSuffix(at, "]") {
		s.Host = at[1 : len(at)-1]
	} else if strings.Contains(at, ":") {
		var port string
		if s.Host, port, err = net.SplitHostPort(at); err != nil {
			return s, err
		}
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return s, fmt.Errorf("port %q", port)
		}
		s.Port = uint16(n)
	}
	if s.Host == "" || strings.ContainsAny(s.Host, "/@ []") {
		return s, fmt.Errorf("host %q", s.Host)
	}
	return s, nil
}

func overTransport(t Transport, query string) (Transport, error) {
	switch {
	case query == "transport=tcp" && t == TLS:
		return TLS, nil
	case query == "transport=tcp":
		return TCP, nil
	case query == "transport=udp" && t == TLS:
		return t, errors.New("DTLS is not spoken here")
	case query == "transport=udp":
		return UDP, nil
	}
	return t, fmt.Errorf("%q behind the question mark", query)
}
