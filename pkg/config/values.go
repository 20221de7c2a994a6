package config

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strings"
)

// Transport is what a listener speaks.
type Transport string

// The transports.
const (
	UDP        Transport = "udp"
	TCP        Transport = "tcp"
	TLSOverTCP Transport = "tls"
)

// Mode says what becomes of a peer that no line of the policy names.
type Mode string

// The modes.
const (
	Public    Mode = "public"
	AllowList Mode = "allowlist"
)

// Occasion is when clients are sent to another server.
type Occasion string

// The occasions.
const (
	Draining Occasion = "draining"
	Full     Occasion = "full"
	Always   Occasion = "always"
)

// PasswordAlgorithm is how clients make the key of their messages.
type PasswordAlgorithm string

// The password algorithms.
const (
	MD5    PasswordAlgorithm = "md5"
	SHA256 PasswordAlgorithm = "sha256"
)

const autoText = "auto"

// AutoAddr is an address, or auto, which is the zero value.
type AutoAddr struct{ netip.Addr }

// IsAuto reports whether the address is to be found out.
func (a AutoAddr) IsAuto() bool { return !a.IsValid() }

// String is the address, or auto.
func (a AutoAddr) String() string {
	if a.IsAuto() {
		return autoText
	}
	return a.Addr.String()
}

// MarshalText implements [encoding.TextMarshaler].
func (a AutoAddr) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (a *AutoAddr) UnmarshalText(text []byte) error {
	if string(text) == autoText {
		a.Addr = netip.Addr{}
		return nil
	}
	return a.Addr.UnmarshalText(text)
}

const (
	unixPrefix  = "unix:"
	maxUnixPath = 107 // sockaddr_un has 108 with the zero at the end (unix(7))
)

// Endpoint is where an HTTP server listens: TCP, or a unix socket. One of the
// fields is set.
type Endpoint struct {
	TCP  netip.AddrPort
	Unix string // absolute path
}

// IsLoopback reports whether nobody but this host can connect.
func (e Endpoint) IsLoopback() bool { return e.Unix != "" || e.TCP.Addr().IsLoopback() }

// Network is the first argument of net.Listen. [::] is IPv6 alone.
func (e Endpoint) Network() string {
	switch {
	case e.Unix != "":
		return "unix"
	case e.TCP.Addr().Is4():
		return "tcp4"
	}
	return "tcp6"
}

// Address is the second argument of net.Listen.
func (e Endpoint) Address() string {
	if e.Unix != "" {
		return e.Unix
	}
	return e.TCP.String()
}

// String is the endpoint as it stands in the file.
func (e Endpoint) String() string {
	if e.Unix != "" {
		return unixPrefix + e.Unix
	}
	return e.TCP.String()
}

// MarshalText implements [encoding.TextMarshaler].
func (e Endpoint) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (e *Endpoint) UnmarshalText(text []byte) error {
	path, isUnix := strings.CutPrefix(string(text), unixPrefix)
	if !isUnix {
		*e = Endpoint{}
		return e.TCP.UnmarshalText(text)
	}
	if !strings.HasPrefix(path, "/") || strings.ContainsRune(path, 0) {
		return errors.New("the path of a unix socket is absolute")
	}
	*e = Endpoint{Unix: path}
	return nil
}

// KeyHash is the SHA-256 of an API key.
type KeyHash [sha256.Size]byte

const hashPrefix = "sha256:"

// String is the hash as it stands in the file.
func (h KeyHash) String() string { return hashPrefix + hex.EncodeToString(h[:]) }

// MarshalText implements [encoding.TextMarshaler].
func (h KeyHash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler]. The error says nothing
// of the text: it may be the key itself, mistaken for its hash.
func (h *KeyHash) UnmarshalText(text []byte) error {
	digits, found := bytes.CutPrefix(text, []byte(hashPrefix))
	if !found || len(digits) != 2*len(h) {
		return errNotHash
	}
	if _, err := hex.Decode(h[:], digits); err != nil || *h == (KeyHash{}) {
		return errNotHash
	}
	return nil
}

var errNotHash = fmt.Errorf("want %s and %d hexadecimal digits", hashPrefix, 2*sha256.Size)

const redacted = "[redacted]"

// Secret is a text that nothing prints: every fmt verb, slog, JSON, YAML and
// text get "[redacted]". Only [Secret.Text] gives it. The zero Secret is none.
type Secret struct {
	// A pointer, because fmt calls no methods on what it reaches through an
	// unexported field of another struct.
	text *string
}

func newSecret(text string) Secret { return Secret{text: &text} }

// Text is the secret as it was given; empty if there is none.
func (s Secret) Text() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// Format implements [fmt.Formatter] for every verb and flag.
func (Secret) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// LogValue implements [slog.LogValuer].
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements [encoding.TextMarshaler], and with it JSON, XML and YAML.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (s *Secret) UnmarshalText(text []byte) error {
	*s = newSecret(string(text))
	return nil
}
