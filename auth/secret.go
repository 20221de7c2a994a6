package auth

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"unicode"
	"unicode/utf8"
)

const (
	// MinKeyBytes is the shortest issuer key: as many bytes as a fresh
	// [NewRandomSecret] has.
	MinKeyBytes = 32
	// MinSharedBytes is the shortest secret shared with an application. It is
	// lower than MinKeyBytes because applications print their own, as 16
	// characters or more.
	MinSharedBytes = 16
	// MaxSecretBytes bounds any secret.
	MaxSecretBytes = 1024
)

const redacted = "[redacted]"

// Secret is the bytes of a key. Whatever prints or encodes it gets
// "[redacted]": every fmt verb, slog, JSON and text. Only [Secret.Bytes] gives
// the key. The zero Secret holds none and is refused everywhere.
type Secret struct {
	// A pointer to a string, because fmt calls no methods on what it reaches
	// through an unexported field of another struct: of this it prints an
	// address, while it would follow a pointer to a slice for a wrong verb.
	key *string
}

// NewSecret makes an issuer key of binary bytes, which it copies. It refuses
// fewer than [MinKeyBytes], more than [MaxSecretBytes], and weak ones.
func NewSecret(b []byte) (Secret, error) {
	if err := checkSecret(b, MinKeyBytes); err != nil {
		return Secret{}, err
	}
	return secretOf(b), nil
}

// ParseSecret makes a secret shared with an application from text. The text is
// the key as it stands: applications decode nothing. It refuses fewer than
// [MinSharedBytes], more than [MaxSecretBytes], white space and control
// characters (a line end left over from a file makes every signature wrong),
// and weak ones: repeated, with few different characters, or made of words that
// examples and manuals use.
func ParseSecret(text string) (Secret, error) {
	if !utf8.ValidString(text) {
		return Secret{}, errors.New("auth: secret: not valid UTF-8; generate one with: turnpike secret new")
	}
	for _, r := range text {
		if unicode.IsSpace(r) || unicode.IsControl(r) {
			return Secret{}, errors.New("auth: secret: contains white space or a control character; remove it, also a line end at the end of the file")
		}
	}
	if err := checkSecret([]byte(text), MinSharedBytes); err != nil {
		return Secret{}, err
	}
	return secretOf([]byte(text)), nil
}

// NewRandomSecret reads [MinKeyBytes] bytes from rand, which is
// crypto/rand.Reader in production, and makes a secret good for any use of them.
func NewRandomSecret(rand io.Reader) (Secret, error) {
	b := make([]byte, MinKeyBytes)
	if _, err := io.ReadFull(rand, b); err != nil {
		return Secret{}, fmt.Errorf("auth: secret: reading random bytes: %w", err)
	}
	return NewSecret(b)
}

func secretOf(b []byte) Secret {
	key := string(b)
	return Secret{key: &key}
}

// Bytes is a copy of the key; nil if there is none.
func (s Secret) Bytes() []byte {
	if s.key == nil {
		return nil
	}
	return []byte(*s.key)
}

// Len is the number of bytes of the key.
func (s Secret) Len() int { return len(s.Bytes()) }

// Equal reports in constant time whether both hold the same bytes.
func (s Secret) Equal(o Secret) bool {
	return subtle.ConstantTimeCompare(s.Bytes(), o.Bytes()) == 1
}

// Format implements [fmt.Formatter] for every verb and flag.
func (Secret) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// LogValue implements [slog.LogValuer].
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements [encoding.TextMarshaler], and with it JSON, XML and YAML.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
