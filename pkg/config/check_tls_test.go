package config

import (
	"os"
	"strings"
	"testing"
)

// TestOneCertificate: a listener that has files gets none by itself; the issuer
// may have files of its own.
func TestOneCertificate(t *testing.T) {
	const acme = "version: 1\nlisten: [{address: \"0.0.0.0:443\", transports: [tls]}]\nacme: {accept_terms: true, hosts: [a.example]}\n"
	issuer := "issuer: {listen: [\"0.0.0.0:3480\"], FILES api_keys: [{id: a, hash: \"sha256:" + hash + "\"}]}\ncredentials: {issuer_keys: [{id: k1, secret: " + key + "}]}\n"
	for _, tt := range []struct{ file, want string }{
		{acme + "tls: {certificate_file: c, key_file: k}\n" + shared,
			"t.yaml:3:28: acme.hosts: is given beside tls.certificate_file, and a listener has one certificate; keep one of the two"},
		{acme + shared, ""},
		{acme + strings.Replace(issuer, "FILES", "", 1), ""},
		{acme + strings.Replace(issuer, "FILES", "certificate_file: c, key_file: k,", 1), ""},
	} {
		b := newBed(t)
		b.put("c", "certificate", 0o644)
		b.put("k", "key", 0o600)
		if got := b.faults(tt.file); got != tt.want {
			t.Errorf("of\n%s\ngot\n%s\nwant\n%s", tt.file, got, tt.want)
		}
	}
}

// TestACMEWarnings: what can be meant, and mostly is not.
func TestACMEWarnings(t *testing.T) {
	for port, want := range map[string]string{
		"443":  "",
		"5349": `t.yaml:3:28: acme.hosts: is given, and nothing here listens on port 443, where the authority comes to; add {address: 0.0.0.0:443, transports: [tls]} to listen, or have port 443 forwarded to a tls listener`,
	} {
		b := newBed(t)
		file := "version: 1\nlisten: [{address: \"0.0.0.0:" + port + "\", transports: [tls]}]\nacme: {accept_terms: true, hosts: [a.example]}\n"
		if got := warningsOf(b, file+shared); got != want {
			t.Errorf("port %s: %s, want %s", port, got, want)
		}
		got := warningsOf(b, file+"policy: {clients: {mode: allowlist, allow: [192.0.2.0/24]}}\n"+shared)
		if !strings.Contains(got, "policy.clients.mode: is allowlist, and the authority") {
			t.Errorf("port %s: %s, want a warning of the mode", port, got)
		}
	}
}

// TestHighSecurity: what is in force says 1.3, and can be read again.
func TestHighSecurity(t *testing.T) {
	b := newBed(t)
	c := b.mustLoad("version: 1\ntls: {profile: high-security}\n" + shared)
	if c.TLS.MinVersion != "1.3" {
		t.Errorf("min_version is %s", c.TLS.MinVersion)
	}
	if c = b.mustLoad("version: 1\ntls: {profile: high-security, min_version: \"1.3\"}\n" + shared); c.TLS.MinVersion != "1.3" {
		t.Errorf("min_version is %s", c.TLS.MinVersion)
	}
}

// warningsOf are those of a file that loads.
func warningsOf(b *bed, text string) string {
	b.t.Helper()
	_, warnings, err := b.load(text)
	if err != nil {
		b.t.Fatal(err)
	}
	var all []string
	for _, w := range warnings {
		all = append(all, strings.ReplaceAll(w.String(), b.dir+"/", ""))
	}
	return strings.Join(all, "\n")
}

// TestDocumentedACME: the example of docs/tls.md is good as it is.
func TestDocumentedACME(t *testing.T) {
	page, err := os.ReadFile("../../docs/tls.md")
	if err != nil {
		t.Fatal(err)
	}
	found := documented.FindAllSubmatch(page, -1)
	if len(found) != 1 {
		t.Fatalf("%d files in docs/tls.md", len(found))
	}
	if got := warningsOf(newBed(t), "version: 1\n"+string(found[0][1])+shared); got != "" {
		t.Error(got)
	}
}
