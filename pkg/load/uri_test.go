package load

import (
	"strings"
	"testing"
)

func TestParseServer(t *testing.T) {
	for uri, want := range map[string]Server{
		"turn:example.org":                      {"example.org", 3478, UDP},
		"turn:example.org:80":                   {"example.org", 80, UDP},
		"turn:192.0.2.1:3478?transport=udp":     {"192.0.2.1", 3478, UDP},
		"turn:192.0.2.1?transport=tcp":          {"192.0.2.1", 3478, TCP},
		"TURN:[2001:db8::1]:443?transport=tcp":  {"2001:db8::1", 443, TCP},
		"turn:[2001:db8::1]":                    {"2001:db8::1", 3478, UDP},
		"turns:example.org":                     {"example.org", 5349, TLS},
		"turns:example.org:443?transport=tcp":   {"example.org", 443, TLS},
		"turns:[2001:db8::1]:443?transport=tcp": {"2001:db8::1", 443, TLS},
	} {
		got, err := ParseServer(uri)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", uri, got, err, want)
		}
		if again, err := ParseServer(got.String()); err != nil || again != got {
			t.Errorf("%s became %s, which is %+v, %v", uri, got, again, err)
		}
	}
	for _, uri := range []string{
		"", "turn", "turn:", "example.org:3478", "stun:example.org", "http://example.org", "turn://example.org", "turn:user@example.org",
		"turn:example.org:0", "turn:example.org:65536", "turn:example.org:", "turn:example.org:x", "turn:2001:db8::1", "turn:[2001:db8::1",
		"turn:example.org?transport=sctp", "turn:example.org?", "turns:example.org?transport=udp", "turn:?transport=udp", "turn:[]:80",
	} {
		if s, err := ParseServer(uri); err == nil {
			t.Errorf("%q is taken for %+v", uri, s)
		} else if !strings.Contains(err.Error(), "want turn:HOST") {
			t.Errorf("%q: the error has no cure: %v", uri, err)
		}
	}
}

func FuzzParseServer(f *testing.F) {
	f.Add("turn:example.org:3478?transport=tcp")
	f.Add("turns:[::1]")
	f.Fuzz(func(t *testing.T, uri string) {
		s, err := ParseServer(uri)
		if err != nil {
			return
		}
		if again, err := ParseServer(s.String()); err != nil || again != s {
			t.Errorf("%q is %+v, which is written %s and read as %+v, %v", uri, s, s, again, err)
		}
	})
}
