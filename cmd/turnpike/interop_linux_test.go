package main

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"turnpike/auth"
	"turnpike/relay/relaytest"
)

// What each application mints is let in, as the user that docs/interop.md says,
// in the tenant of its secret; with one bit of the password changed it is not.
func TestInterop(t *testing.T) {
	if !inPublic(t) {
		return
	}
	for some := range slices.Chunk(minters(), auth.MaxShared) {
		s, secrets := startShared(t, some)
		for i, m := range some {
			t.Run(m.app, func(t *testing.T) { m.check(t, s, secrets[i]) })
		}
		s.Stop(t)
	}
}

func (m *minter) check(t *testing.T, s *server, secret string) {
	username, password := m.mint(secret, time.Now())
	bad := []byte(password)
	bad[3] ^= 1
	if r := allocateUDP(t, publicTURN, username, string(bad)); r.Code != 401 {
		t.Errorf("%q with a wrong password: %v, want 401", username, r)
	}
	if r := allocateUDP(t, publicTURN, username, password); !r.OK() {
		t.Fatalf("%q: %v", username, r)
	}
	want := m.user
	if m.rule() == "none" {
		want = ""
	}
	s.WaitRecord(t, m.app, func(r record) bool { return r.Tenant == m.app && r.User == want })
}

// rule is the id_rule that fits the usernames.
func (m *minter) rule() string {
	if m.user == noUser || m.user == randomUser || m.user == sameUser {
		return "none"
	}
	return "suffix"
}

// allocateUDP asks for a relay, and gives it back.
func allocateUDP(t *testing.T, at netip.AddrPort, username, password string) relaytest.Response {
	t.Helper()
	conn, err := scriptDial("udp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c := relaytest.NewClient(conn, at, relaytest.User{Name: username, Password: password})
	c.Timeout = patience
	r, err := c.Allocate()
	if err != nil {
		t.Fatal(err)
	}
	if r.OK() {
		if end, err := c.Refresh(0); err != nil || !end.OK() {
			t.Errorf("the end: %v, %v", end, err)
		}
	}
	return r
}

// Home Assistant gets one user and password, which the printed settings have, and
// which get a relay.
func TestHomeAssistant(t *testing.T) {
	if !inPublic(t) {
		return
	}
	file := appConfig(t, "credentials: {users: [{id: home-assistant, tenant: home, secret_file: ha.password}]}\n", "ha.password")
	s := serveConfigured(t, file)
	var settings struct {
		WebRTC struct {
			Servers []struct {
				URL                  []string
				Username, Credential string
			} `yaml:"ice_servers"`
		} `yaml:"web_rtc"`
	}
	if err := yaml.Unmarshal([]byte(snippetOf(t, file, "home-assistant", "--show-secret")), &settings); err != nil {
		t.Fatal(err)
	}
	turn := settings.WebRTC.Servers[len(settings.WebRTC.Servers)-1]
	if want := "turn:" + publicTURN.String() + "?transport=udp"; turn.URL[0] != want {
		t.Errorf("%q, want %q first", turn.URL, want)
	}
	if r := allocateUDP(t, publicTURN, turn.Username, turn.Credential+"x"); r.Code != 401 {
		t.Errorf("with a wrong password: %v, want 401", r)
	}
	if r := allocateUDP(t, publicTURN, turn.Username, turn.Credential); !r.OK() {
		t.Fatalf("%q: %v", turn.Username, r)
	}
	s.WaitRecord(t, "Home Assistant", func(r record) bool { return r.Tenant == "home" && r.User == "home-assistant" })
}

// startShared runs a server with a shared secret for each application.
func startShared(t *testing.T, all []minter) (s *server, secrets []string) {
	t.Helper()
	var entries []string
	for _, m := range all {
		secret := randomText(43, "abcdefghijklmnopqrstuvwxyz1234567890")
		secrets = append(secrets, secret)
		entries = append(entries, fmt.Sprintf("{id: %[1]s, tenant: %[1]s, id_rule: %[3]s, secret: %[2]s}", m.app, secret, m.rule()))
	}
	file := filepath.Join(t.TempDir(), "turnpike.yaml")
	config := fmt.Sprintf("version: 1\nlisten: [{address: \"%s\"}]\nrelay: %s\ncredentials: {shared_secrets: [%s]}\noperator: {listen: [\"127.0.0.1:3481\"]}\ndrain: {timeout: 0s}\n",
		publicTURN, publicRelay, strings.Join(entries, ", "))
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return serveConfigured(t, file), secrets
}

var updateInterop = flag.Bool("update-interop", false, "write the table of docs/interop.md anew")

// The page has the table of what is tried.
func TestInteropPage(t *testing.T) {
	const path, begin, end = "../../docs/interop.md", "<!-- minters -->\n", "<!-- end -->"
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, found := strings.Cut(string(page), begin)
	old, tail, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s has no table between %q and %q", path, begin, end)
	}
	want := interopTable()
	if *updateInterop {
		if err := os.WriteFile(path, []byte(head+begin+want+end+tail), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if old != want {
		t.Errorf("the table of docs/interop.md is stale: go test ./cmd/turnpike -run TestInteropPage -update-interop")
	}
}

func interopTable() string {
	var b strings.Builder
	b.WriteString("| application | username | `id_rule` | user that turnpike sees | lifetime | also proven by | algorithm |\n|---|---|---|---|---|---|---|\n")
	for _, m := range minters() {
		user := "`" + m.user + "`"
		if m.rule() == "none" {
			user = "nobody"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", m.title, m.form, m.rule(), user, m.ttl, m.proof, m.source)
	}
	return b.String()
}
