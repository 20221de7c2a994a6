package auth

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
)

var errWeak = errors.New("auth: secret: easily guessed (repeated, too few different characters, or words from an example); generate one with: turnpike secret new")

// minDistinct is how many different bytes a secret must have beside known
// words. Sixteen random hexadecimal digits, the least that passes at all, have
// fewer once in 30,000; the base64 of 32 bytes practically never.
const minDistinct = 6

// exampleWords appear in the secrets of manuals, sample files and hurried
// installations, longest first where one contains another. The point is not a
// dictionary: a single captured credential lets anybody test guesses offline
// (RFC 8656 §21.1.2), and these are guessed first.
var exampleWords = [][]byte{
	[]byte("abcdefghijklmnopqrstuvwxyz"), []byte("0123456789abcdef"), []byte("1234567890"), []byte("0123456789"),
	[]byte("123456789"), []byte("12345678"), []byte("qwertyuiop"), []byte("asdfghjkl"), []byte("zxcvbnm"), []byte("qwerty"),
	[]byte("password"), []byte("passw0rd"), []byte("changeme"), []byte("changethis"), []byte("deadbeef"), []byte("cafebabe"),
	[]byte("example"), []byte("replace"), []byte("default"), []byte("insecure"), []byte("credential"), []byte("username"),
	[]byte("homeassistant"), []byte("bigbluebutton"), []byte("mattermost"), []byte("netbird"), []byte("livekit"), []byte("prosody"), []byte("janus"),
	[]byte("galene"), []byte("webrtc"), []byte("gorst"), []byte("logen"), []byte("hunter"), []byte("hero"), []byte("demo"), []byte("keep"),
	[]byte("turnpike"), []byte("coturn"), []byte("eturnal"), []byte("turnserver"), []byte("nextcloud"), []byte("matrix"),
	[]byte("synapse"), []byte("jitsi"), []byte("cryptic"), []byte("random"), []byte("string"), []byte("static"),
	[]byte("shared"), []byte("secret"), []byte("secure"), []byte("server"), []byte("private"), []byte("generated"), []byte("generate"), []byte("auto"),
	[]byte("change"), []byte("north"), []byte("super"), []byte("token"), []byte("admin"), []byte("here"), []byte("your"),
	[]byte("this"), []byte("that"), []byte("long"), []byte("very"), []byte("with"), []byte("auth"), []byte("turn"), []byte("stun"), []byte("test"),
	[]byte("pass"), []byte("user"), []byte("some"), []byte("key"), []byte("and"), []byte("the"), []byte("my"), []byte("me"),
}

// published are secrets that look like random ones and stand in a manual.
var published = [][]byte{
	[]byte("n0t4ctuallymatr1xd0turnsharedsecret"), // Synapse, turn-howto
}

// isPublished reports whether a secret is made from one of them.
func isPublished(b []byte) bool {
	b = bytes.ToLower(b)
	return slices.ContainsFunc(published, func(p []byte) bool { return bytes.Contains(b, p) })
}

// checkSecret refuses a secret outside [least, MaxSecretBytes] or easily
// guessed. It never puts any of the secret into the error.
func checkSecret(b []byte, least int) error {
	switch {
	case len(b) == 0:
		return errors.New("auth: secret: empty; generate one with: turnpike secret new")
	case len(b) < least:
		return fmt.Errorf("auth: secret: %d bytes, at least %d are needed; generate one with: turnpike secret new", len(b), least)
	case len(b) > MaxSecretBytes:
		return fmt.Errorf("auth: secret: %d bytes, at most %d are allowed", len(b), MaxSecretBytes)
	case isPublished(b) || period(b) < least || sequence(b) || distinct(withoutWords(b)) < minDistinct:
		return errWeak
	}
	return nil
}

// period is the length of the shortest unit of which b is two or more
// repetitions (the last may be cut short), or len(b).
func period(b []byte) int {
	for p := 1; p <= len(b)/2; p++ {
		if bytes.Equal(b[p:], b[:len(b)-p]) {
			return p
		}
	}
	return len(b)
}

// sequence recognises 0123..., fedc..., aaaa... and their kin: most steps from
// one byte to the next are the same as the step before.
func sequence(b []byte) bool {
	same := 0
	for i := 2; i < len(b); i++ {
		if b[i]-b[i-1] == b[i-1]-b[i-2] {
			same++
		}
	}
	return same > len(b)/2
}

func withoutWords(b []byte) []byte {
	b = bytes.ToLower(b)
	for _, w := range exampleWords {
		b = bytes.ReplaceAll(b, w, []byte("-")) // not nothing: no new word may form
	}
	return b
}

func distinct(b []byte) int {
	var seen [256]bool
	n := 0
	for _, c := range b {
		if !seen[c] {
			seen[c] = true
			n++
		}
	}
	return n
}
