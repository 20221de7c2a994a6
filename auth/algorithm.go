package auth

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Algorithm is a password algorithm: how username, realm and password become
// the key of a client's messages. Its number is the one on the wire (RFC 8489
// §18.5.1).
type Algorithm uint16

// The algorithms.
const (
	MD5    Algorithm = 1
	SHA256 Algorithm = 2
)

// LongTermKey is the key of the long-term credential mechanism under MD5, which
// is what clients use that are offered nothing else. It prints as "[redacted]".
type LongTermKey [md5.Size]byte

// Format implements [fmt.Formatter] for every verb and flag.
func (LongTermKey) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// MarshalText implements [encoding.TextMarshaler], and with it JSON and slog.
func (LongTermKey) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// ParseKey reads what coturn's turnadmin -k prints: 0x and 32 hexadecimal digits.
func ParseKey(text string) (key LongTermKey, err error) {
	digits, found := strings.CutPrefix(text, "0x")
	if !found || len(digits) != hex.EncodedLen(len(key)) {
		return key, errKeyText
	}
	if _, err := hex.Decode(key[:], []byte(digits)); err != nil || key == (LongTermKey{}) {
		return LongTermKey{}, errKeyText
	}
	if slices.Contains(publishedKeys, strings.ToLower(digits)) {
		return LongTermKey{}, errors.New("auth: key: one of coturn's examples, whose password everybody knows; give the user another password")
	}
	return key, nil
}

// publishedKeys are those of coturn's turnserver.conf and its manual.
var publishedKeys = []string{"bc807ee29df3c9ffa736523fb2c4e8ee", "7da2270ccfa49786e0115366d3a3d14d"}

// errKeyText says nothing of the text: it may be the password, mistaken for a key.
var errKeyText = errors.New("auth: key: not 0x and 32 hexadecimal digits; make it with: turnadmin -k -u USER -r REALM -p PASSWORD")

// SHA256Key is the key under SHA-256. It prints as "[redacted]".
type SHA256Key [sha256.Size]byte

// Format implements [fmt.Formatter] for every verb and flag.
func (SHA256Key) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// MarshalText implements [encoding.TextMarshaler], and with it JSON and slog.
func (SHA256Key) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// DeriveKey is MD5(username ":" realm ":" password): RFC 8489 §9.2.2.
func DeriveKey(username, realm, password string) LongTermKey {
	return md5.Sum(appendCredential(nil, username, realm, password))
}

// DeriveSHA256Key is SHA-256(username ":" realm ":" password): RFC 8489
// §18.5.1.2.
func DeriveSHA256Key(username, realm, password string) SHA256Key {
	return sha256.Sum256(appendCredential(nil, username, realm, password))
}

func appendCredential(b []byte, username, realm, password string) []byte {
	b = append(append(b, username...), ':')
	b = append(append(b, realm...), ':')
	return append(b, password...)
}
