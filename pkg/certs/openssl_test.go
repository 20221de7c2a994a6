package certs

import (
	"context"
	"crypto/tls"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The same listener as OpenSSL sees it: crypto/tls on both sides could agree on
// the same mistake. Each row's client is one that the control accepts.
func TestOpenSSLClient(t *testing.T) {
	path, err := exec.LookPath("openssl")
	if err != nil {
		t.Fatal("openssl is missing: install it (make deps)")
	}
	c, err := SelfSigned([]string{"turn.example", "127.0.0.1"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	trusted := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(trusted, c.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	relay, high, control := echo(t, Relay(c, 0)), echo(t, Relay(c, tls.VersionTLS13)), echo(t, everything(c))
	for _, tt := range []struct {
		args string
		want string // in what it prints; else it is refused
	}{
		{"-tls1_3 -groups X25519 -alpn stun.turn", "ALPN protocol: stun.turn"},
		{"-tls1_3 -groups P-256", "TLSv1.3, Cipher is TLS_"},
		{"-tls1_3 -groups P-384", "TLSv1.3, Cipher is TLS_"},
		{"-tls1_3 -groups P-521", ""},
		{"-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256", "Cipher is ECDHE-ECDSA-AES128-GCM-SHA256"},
		{"-tls1_2 -cipher ECDHE-ECDSA-AES256-GCM-SHA384", "Cipher is ECDHE-ECDSA-AES256-GCM-SHA384"},
		{"-tls1_2 -cipher ECDHE-ECDSA-CHACHA20-POLY1305", "Cipher is ECDHE-ECDSA-CHACHA20-POLY1305"},
		{"-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA", ""},
		{"-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA256", ""},
		{"-tls1_1 -cipher DEFAULT@SECLEVEL=0", ""},
		{"-tls1 -cipher DEFAULT@SECLEVEL=0", ""},
		{"-alpn stun.nat-discovery", "ALPN protocol: stun.nat-discovery"},
		{"-alpn h2,http/1.1", ""},
		{"-servername turn.example -verify_hostname turn.example", "Verify return code: 0 (ok)"},
		{"-verify_ip 127.0.0.1", "Verify return code: 0 (ok)"},
	} {
		client := func(address string) (out string, ok bool) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			args := append([]string{"s_client", "-connect", address, "-CAfile", trusted, "-verify_return_error"}, strings.Fields(tt.args)...)
			all, err := exec.CommandContext(ctx, path, args...).CombinedOutput() // its input is empty: it ends after the handshake
			return string(all), err == nil
		}
		if out, ok := client(control); !ok {
			t.Fatalf("%s: the control refuses it:\n%s", tt.args, out)
		}
		out, ok := client(relay)
		if ok != (tt.want != "") || !strings.Contains(out, tt.want) {
			t.Errorf("%s: accepted %v, want %q in\n%s", tt.args, ok, tt.want, out)
		}
		// Of what is accepted, TLS 1.3 alone refuses nothing but TLS 1.2.
		out, ok = client(high)
		if want := tt.want != "" && !strings.Contains(tt.args, "-tls1_2"); ok != want || want && !strings.Contains(out, "New, TLSv1.3, Cipher is TLS_") {
			t.Errorf("%s: with TLS 1.3 alone accepted %v, want %v\n%s", tt.args, ok, want, out)
		}
	}
}
