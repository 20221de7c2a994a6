package certs

import (
	"crypto/elliptic"
	"crypto/tls"
	"fmt"
	"strings"
	"testing"
)

// everything accepts whatever crypto/tls can speak. A client that it refuses
// proves nothing when it is refused by ours.
func everything(c Source) *tls.Config {
	var all []uint16
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		all = append(all, s.ID)
	}
	return &tls.Config{GetCertificate: c.GetCertificate, MinVersion: tls.VersionTLS10, CipherSuites: all,
		CurvePreferences: append([]tls.CurveID{tls.CurveP521, tls.SecP256r1MLKEM768, tls.SecP384r1MLKEM1024}, groups...)}
}

// servers are ours, with both sorts of keys, and the control.
func servers(t *testing.T, config func(Source, uint16) *tls.Config, lowest uint16) (ours, control map[string]string) {
	t.Helper()
	ours, control = map[string]string{}, map[string]string{}
	ec := ecKey(t, elliptic.P256())
	for sort, pem := range map[string][2][]byte{
		"RSA":   {certPEM(issue(t, rsa2048(), nil, nil, nil)), keyPEM(t, rsa2048())},
		"ECDSA": {certPEM(issue(t, ec, nil, nil, nil)), keyPEM(t, ec)},
	} {
		certFile, keyFile := files(t, pem[0], pem[1])
		c, err := Load(certFile, keyFile)
		if err != nil {
			t.Fatal(err)
		}
		ours[sort], control[sort] = echo(t, config(c, lowest)), echo(t, everything(c))
	}
	return ours, control
}

func client(with func(*tls.Config)) *tls.Config {
	c := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10}
	with(c)
	return c
}

func TestVersions(t *testing.T) {
	for _, lowest := range []uint16{0, tls.VersionTLS10, tls.VersionTLS12, tls.VersionTLS13} {
		ours, control := servers(t, Relay, lowest)
		for v := uint16(tls.VersionTLS10); v <= tls.VersionTLS13; v++ {
			only := client(func(c *tls.Config) {
				c.MinVersion, c.MaxVersion = v, v
				c.CipherSuites = everything(new(Certificate)).CipherSuites
			})
			if _, err := dial(t, control["RSA"], only); err != nil {
				t.Fatalf("%s: the control refuses it: %v", tls.VersionName(v), err)
			}
			_, err := dial(t, ours["RSA"], only)
			if want := v >= max(lowest, tls.VersionTLS12); (err == nil) != want {
				t.Errorf("lowest %#x, client %s: %v, want accepted %v", lowest, tls.VersionName(v), err, want)
			}
			if err != nil && !strings.Contains(err.Error(), "protocol version") {
				t.Errorf("%s is refused for another reason: %v", tls.VersionName(v), err)
			}
		}
	}
}

func TestSuitesOfTLS12(t *testing.T) {
	ours, control := servers(t, Relay, 0)
	n := map[bool]int{}
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if s.SupportedVersions[0] == tls.VersionTLS13 {
			continue
		}
		only := client(func(c *tls.Config) { c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{s.ID} })
		sort := "RSA"
		if strings.Contains(s.Name, "_ECDSA_") {
			sort = "ECDSA"
		}
		if _, err := dial(t, control[sort], only); err != nil {
			t.Fatalf("%s: the control refuses it: %v", s.Name, err)
		}
		_, err := dial(t, ours[sort], only)
		want := strings.HasPrefix(s.Name, "TLS_ECDHE_") && (strings.Contains(s.Name, "_GCM_") || strings.Contains(s.Name, "_POLY1305_"))
		if (err == nil) != want {
			t.Errorf("%s: %v, want accepted %v", s.Name, err, want)
		}
		n[want]++
	}
	if n[true] != len(suites) || n[false] < 10 {
		t.Errorf("%d good and %d bad suites tried, of %d good ones", n[true], n[false], len(suites))
	}
}

func TestGroups(t *testing.T) {
	ours, control := servers(t, Relay, 0)
	for _, tt := range []struct {
		offered []tls.CurveID
		version uint16
		want    tls.CurveID // 0: refused
	}{
		{nil, 0, tls.X25519MLKEM768}, // Go's own default
		{[]tls.CurveID{tls.CurveP256, tls.X25519, tls.X25519MLKEM768}, 0, tls.X25519MLKEM768},
		{[]tls.CurveID{tls.X25519MLKEM768}, 0, tls.X25519MLKEM768},
		{[]tls.CurveID{tls.CurveP256, tls.X25519}, 0, tls.X25519},
		{[]tls.CurveID{tls.CurveP256}, 0, tls.CurveP256},
		{[]tls.CurveID{tls.CurveP384}, 0, tls.CurveP384},
		{[]tls.CurveID{tls.CurveP384}, tls.VersionTLS12, tls.CurveP384},
		{[]tls.CurveID{tls.X25519}, tls.VersionTLS12, tls.X25519},
		{[]tls.CurveID{tls.CurveP521}, 0, 0},
		{[]tls.CurveID{tls.CurveP521}, tls.VersionTLS12, 0},
		{[]tls.CurveID{tls.SecP256r1MLKEM768}, 0, 0},
	} {
		only := client(func(c *tls.Config) { c.CurvePreferences, c.MaxVersion = tt.offered, tt.version })
		if _, err := dial(t, control["ECDSA"], only); err != nil {
			t.Fatalf("%v: the control refuses it: %v", tt.offered, err)
		}
		c, err := dial(t, ours["ECDSA"], only)
		if err != nil {
			if tt.want != 0 {
				t.Errorf("%v: %v, want %v", tt.offered, err, tt.want)
			}
		} else if got := c.ConnectionState().CurveID; got != tt.want {
			t.Errorf("%v: %v, want %v (0: refused)", tt.offered, got, tt.want)
		}
	}
}

func TestALPN(t *testing.T) {
	relay, control := servers(t, Relay, 0)
	https, _ := servers(t, HTTPS, 0)
	const refused = "refused"
	for _, tt := range []struct {
		offered      []string
		relay, https string
	}{
		{nil, "", ""},
		{[]string{"stun.turn"}, "stun.turn", refused},
		{[]string{"stun.nat-discovery"}, "stun.nat-discovery", refused},
		{[]string{"h2", "stun.turn"}, "stun.turn", "h2"},
		{[]string{"h2", "http/1.1"}, refused, "h2"},
		{[]string{"http/1.1"}, refused, "http/1.1"},
		{[]string{"STUN.TURN"}, refused, refused},
		{[]string{"ftp"}, refused, refused},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			only := client(func(c *tls.Config) { c.NextProtos, c.MaxVersion = tt.offered, version })
			if _, err := dial(t, control["RSA"], only); err != nil {
				t.Fatalf("%q: the control refuses it: %v", tt.offered, err)
			}
			for server, want := range map[string]string{relay["RSA"]: tt.relay, https["RSA"]: tt.https} {
				got := refused
				c, err := dial(t, server, only)
				if err == nil {
					got = c.ConnectionState().NegotiatedProtocol
				} else if !strings.Contains(err.Error(), "no application protocol") {
					got = fmt.Sprintf("%s, but with %v", refused, err)
				}
				if got != want {
					t.Errorf("%s, %q: %q, want %q", tls.VersionName(version), tt.offered, got, want)
				}
			}
		}
	}
}

// A session resumes, and the tickets are sealed with keys of this configuration
// alone.
func TestResumption(t *testing.T) {
	ours, _ := servers(t, Relay, 0)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		cached := client(func(c *tls.Config) {
			c.MaxVersion, c.ServerName, c.ClientSessionCache = version, "turn.example", tls.NewLRUClientSessionCache(4)
		})
		first, err := dial(t, ours["ECDSA"], cached)
		if err != nil {
			t.Fatal(err)
		}
		second, err := dial(t, ours["ECDSA"], cached)
		if err != nil {
			t.Fatal(err)
		}
		if first.ConnectionState().DidResume || !second.ConnectionState().DidResume {
			t.Errorf("%s: resumed %v, then %v", tls.VersionName(version), first.ConnectionState().DidResume, second.ConnectionState().DidResume)
		}
		elsewhere, err := dial(t, ours["RSA"], cached)
		if err != nil || elsewhere.ConnectionState().DidResume {
			t.Errorf("%s: %v; resumed at another server, or refused", tls.VersionName(version), err)
		}
	}
}
