package auth

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/iotest"
)

func mustKey(t testing.TB, fill string) Secret {
	t.Helper()
	s, err := NewSecret([]byte(fill))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Whatever prints a secret, alone or deep inside something, does not.
func TestSecretIsNeverPrinted(t *testing.T) {
	const text = "kWq7Zp2LxV9sTn4RbYc8Hd3Jf6Mg1Aeu"
	s, err := ParseSecret(text)
	if err != nil {
		t.Fatal(err)
	}
	type nest struct {
		Exported   Secret
		unexported Secret
	}
	n := nest{s, s}
	key, long := LongTermKey([]byte(text[:16])), SHA256Key([]byte(text))
	c := Credential{ID: "id", Username: "name", Password: text}
	values := []any{s, &s, n, &n, []Secret{s}, map[string]Secret{"k": s}, Key{"id", s}, Shared{Secret: s}, StaticUser{Password: s, Key: key}, Options{Keys: []Key{{"id", s}}}, key, &key, Identity{Key: key}, long, &long, Identity{SHA256Key: long}, c, &c, []Credential{c}}
	var out bytes.Buffer
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%08b", "%c", "%t", "%U"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		fmt.Fprintln(&out, v)
		for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			slog.New(h).Info("m", "v", v)
		}
	}
	for _, v := range []any{s, &s, n, map[string]Secret{"k": s}, key, Identity{Key: key}, long, Identity{SHA256Key: long}, c, &c, []Credential{c}} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(b)
	}
	low := strings.ToLower(out.String())
	for _, leak := range []string{
		text[:16], hex.EncodeToString([]byte(text[:4])), base64.StdEncoding.EncodeToString([]byte(text[:15])),
		fmt.Sprint([]byte(text[:4]))[1:10], fmt.Sprintf("%#v", []byte(text[:3]))[7:20],
	} {
		if strings.Contains(low, strings.ToLower(leak)) {
			t.Errorf("%q is in the output", leak)
		}
	}
	if got := fmt.Sprint(s); got != redacted {
		t.Errorf("printed %q, want %q", got, redacted)
	}
	if string(s.Bytes()) != text {
		t.Error("Bytes does not give the key")
	}
}

func TestSecretIsACopy(t *testing.T) {
	in := []byte("kWq7Zp2LxV9sTn4RbYc8Hd3Jf6Mg1Aeu")
	s, err := NewSecret(in)
	if err != nil {
		t.Fatal(err)
	}
	same := mustKey(t, string(in))
	in[0]++
	s.Bytes()[1]++
	if !s.Equal(same) {
		t.Error("the key changed")
	}
	if s.Equal(Secret{}) || (Secret{}).Bytes() != nil || (Secret{}).Len() != 0 {
		t.Error("the zero secret is not empty")
	}
}

func TestWeakSecretsRefused(t *testing.T) {
	weak := []string{
		"", "a", "north", "logen", "secret", "changeme", "mysecret", "static-auth-secret", "short-but-odd15",
		strings.Repeat("a", 16), strings.Repeat("0", 64), strings.Repeat("north", 7), strings.Repeat("secret", 6),
		strings.Repeat("changeme", 8), strings.Repeat("mysecret", 4), strings.Repeat("static-auth-secret", 3), strings.Repeat("Kx7", 11),
		strings.Repeat("kWq7Zp2Lx", 4), strings.Repeat("ab", 16), strings.Repeat("abcde", 10) + "abc",
		"static-auth-secret", "my-static-auth-secret", "Static_Auth_Secret_123", "supersecretpassword", "SuperSecretPassword1!",
		"long-and-cryptic", "long-and-cryptic-secret", "your-secret-key-here", "YOUR_SHARED_SECRET", "<your secret here>",
		"changemechangeme1", "change-me-change-me", "passwordpassword1", "Password123456789", "this-is-my-secret-key",
		"1234567890123456", "0123456789abcdef", "abcdefghijklmnop", "abcdefghijklmnopqrstuvwxyz", "qwertyuiopasdfghjkl",
		"fedcba9876543210", "ponmlkjihgfedcba", "deadbeefdeadbeef", "deadbeefcafebabe", "aaaaaaaabbbbbbbb", "aabbaabbccaabbdd",
		"n0t4ctuAllymatr1Xd0TurnSharedSecret4obVIous5ReaSons", "keepthissecretkeepthissecret", "homeassistant123", "netbird-turn-password", "hunter2hunter2hunter2",
		"testpass123testpass123", "your-secure-turn-secret-123", "REPLACE_WITH_A_RANDOM_SHARED_SECRET", "[shared-secret-key]", "<AUTO_GENERATED_SECRET>",
		"turn-server-secret", "coturn-shared-secret", "synapse-turn-secret", "insecure-default-token", "example-secret-string",
		"kWq7Zp2LxV9sTn4R\n", " kWq7Zp2LxV9sTn4R", "kWq7Zp2LxV9\tsTn4R", "kWq7Zp2LxV9sTn4R\x00", "kWq7Zp2LxV9sTn4R\xff",
		strings.Repeat("kWq7Zp2LxV9sTn4RbYc8Hd3Jf6Mg1Aeu", 40),
	}
	for _, w := range weak {
		if _, err := ParseSecret(w); err == nil {
			t.Errorf("%q accepted as a shared secret", w)
		} else if len(w) > 8 && strings.Contains(err.Error(), w) {
			t.Errorf("the error repeats the secret: %v", err)
		}
	}
	for _, w := range []string{"", "kWq7Zp2LxV9sTn4RbYc8Hd3Jf6Mg1Ae", strings.Repeat("kWq7Zp2LxV9sTn4R", 2), strings.Repeat("\x00", 32), "abcdefghijklmnopqrstuvwxyz012345"} {
		if _, err := NewSecret([]byte(w)); err == nil {
			t.Errorf("%q accepted as an issuer key", w)
		}
	}
}

// What people and tools generate is never refused.
func TestRandomSecretsAccepted(t *testing.T) {
	for range 2000 {
		b := make([]byte, 32)
		rand.Read(b)
		for _, text := range []string{
			hex.EncodeToString(b), hex.EncodeToString(b[:16]), base64.StdEncoding.EncodeToString(b),
			base64.RawURLEncoding.EncodeToString(b[:12]), rand.Text(),
		} {
			if _, err := ParseSecret(text); err != nil {
				t.Fatalf("%q: %v", text, err)
			}
		}
		if _, err := NewSecret(b); err != nil {
			t.Fatalf("%x: %v", b, err)
		}
	}
}

func TestNewRandomSecret(t *testing.T) {
	a, err := NewRandomSecret(rand.Reader)
	if err != nil || a.Len() != MinKeyBytes {
		t.Fatalf("%d bytes, %v", a.Len(), err)
	}
	if b, _ := NewRandomSecret(rand.Reader); a.Equal(b) {
		t.Error("twice the same")
	}
	if _, err := NewRandomSecret(bytes.NewReader(make([]byte, 32))); err == nil {
		t.Error("a broken source of zeros is accepted")
	}
	fault := errors.New("fault")
	if _, err := NewRandomSecret(iotest.ErrReader(fault)); !errors.Is(err, fault) {
		t.Errorf("got %v", err)
	}
}
