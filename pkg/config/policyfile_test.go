package config

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// putPolicy writes a policy file, and its folder.
func (b *bed) putPolicy(name, text string) {
	b.t.Helper()
	if err := os.MkdirAll(filepath.Dir(filepath.Join(b.dir, "policy.d", name)), 0o700); err != nil {
		b.t.Fatal(err)
	}
	b.put(filepath.Join("policy.d", name), text, 0o644)
}

const least = "version: 1\n" + shared

// said is a list as its lines say it, with their places.
func said(b *bed, lines []Line) (all []string) {
	for i := range lines {
		all = append(all, strings.TrimPrefix(lines[i].Place.String(), b.dir+"/")+" "+lines[i].String())
	}
	return all
}

func TestPolicyFiles(t *testing.T) {
	b := newBed(t)
	b.putPolicy("20-lab.yml", `version: 1
peers:
  deny:
    - {match: 198.18.0.0-198.18.7.255, ports: [80, 8000-8999], comment: lab, ticket: OPS-12, expires_at: 2026-12-31T00:00:00Z}
    - local-routes
  allow:
    - match: 10.20.30.40
      ports: [10000-20000]
clients: {deny: [rfc1918, "2001:db8::/32"], allow: [192.0.2.1-192.0.2.9]}
issuer_clients: {deny: [192.0.2.7]}
`)
	b.putPolicy("10-first.yaml", "version: 1\npeers: {deny: [203.0.113.0/24]}\n")
	for _, name := range []string{".hidden.yaml", "x.yaml~", ".#x.yaml", ".x.yaml.swp", "x.yaml.swp", "#x.yaml#", "x.conf", "..data/y.yaml", "..2026/y.yaml"} {
		b.putPolicy(name, "not read")
	}
	c := b.mustLoad("version: 1\npolicy: {deny: [192.0.2.0/24], clients: {deny: [198.51.100.1]}}\n" + shared)
	peers, clients, issuer := c.Policy.PeerLines(), c.Policy.ClientLines(), c.Policy.IssuerClientLines()
	for _, tt := range []struct {
		name  string
		lines []Line
		want  []string
	}{
		{"peers.deny", peers.Deny, []string{"t.yaml:2:17 192.0.2.0/24", "policy.d/10-first.yaml:2:16 203.0.113.0/24",
			"policy.d/20-lab.yml:4:7 198.18.0.0-198.18.7.255, ports 80 8000-8999, until 2026-12-31T00:00:00Z, comment \"lab\", ticket \"OPS-12\"",
			"policy.d/20-lab.yml:5:7 local-routes"}},
		{"peers.allow", peers.Allow, []string{"policy.d/20-lab.yml:7:7 10.20.30.40, ports 10000-20000"}},
		{"clients.deny", clients.Deny, []string{"t.yaml:2:49 198.51.100.1", "policy.d/20-lab.yml:9:18 rfc1918", "policy.d/20-lab.yml:9:27 2001:db8::/32"}},
		{"clients.allow", clients.Allow, []string{"policy.d/20-lab.yml:9:53 192.0.2.1-192.0.2.9"}},
		{"issuer_clients.deny", issuer.Deny, []string{"policy.d/20-lab.yml:10:25 192.0.2.7"}},
		{"issuer_clients.allow", issuer.Allow, nil},
	} {
		if got := said(b, tt.lines); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s is\n%s\nwant\n%s", tt.name, strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
		}
	}
	lab := peers.Deny[2]
	if lab.Match != (Match{From: netip.MustParseAddr("198.18.0.0"), To: netip.MustParseAddr("198.18.7.255")}) ||
		!reflect.DeepEqual(lab.Ports, []Ports{{80, 80}, {8000, 8999}}) || !lab.ExpiresAt.Equal(time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("the line with everything is %#v", lab)
	}
	if c.Policy.Directory != filepath.Join(b.dir, "policy.d") {
		t.Errorf("the folder is %q", c.Policy.Directory)
	}
}

// TestPolicyListsAreApart: the lists that are handed out are nobody else's.
func TestPolicyListsAreApart(t *testing.T) {
	b := newBed(t)
	b.putPolicy("a.yaml", "version: 1\npeers: {deny: [192.0.2.2]}\n")
	c := b.mustLoad("version: 1\npolicy: {deny: [192.0.2.1]}\n" + shared)
	first, second := c.Policy.PeerLines(), c.Policy.PeerLines()
	first.Deny[1].Comment = "x"
	if second.Deny[1].Comment != "" || c.Policy.Files[0].Peers.Deny[0].Comment != "" {
		t.Error("a list was changed through another")
	}
}

func TestBadPolicyFiles(t *testing.T) {
	for _, tt := range badPolicyFiles {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t)
			b.putPolicy("p.yaml", tt.file)
			if got := strings.ReplaceAll(b.faults(least), "policy.d/p.yaml:", ""); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

// TestFaultsOfAllFiles: they come together, whichever the file.
func TestFaultsOfAllFiles(t *testing.T) {
	b := newBed(t)
	b.putPolicy("a.yaml", "version: 1\npeers: {deny: [x.example]}\n")
	b.putPolicy("b.yaml/c", "a folder with a name like a file's")
	b.putPolicy("c.yaml", "")
	got := b.faults("version: 1\nrealm: 5\n" + shared)
	want := `policy.d/a.yaml:2:16: peers.deny[0]: is "x.example", a name; write its addresses, names are not looked up
policy.d/c.yaml:1:1: is empty; begin with version: 1; deploy/policy.d/10-example.yaml has every key
t.yaml:2:8: realm: is a number; put it in quotes
policy.d/b.yaml: can't be read: it is not a regular file; give a file that this user may read, split a large one, or take it away`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestManyFaultsOfAFile(t *testing.T) {
	b := newBed(t)
	b.putPolicy("a.yaml", "version: 1\npeers:\n  deny:\n"+strings.Repeat("    - x.example\n", 5000))
	got := strings.Split(b.faults(least), "\n")
	if len(got) != maxFileFaults+1 || got[maxFileFaults] != "policy.d/a.yaml:104:7: 4900 faults more from here on; cure those before it first" {
		t.Errorf("%d lines, the last %q", len(got), got[len(got)-1])
	}
}

func TestPolicyDirectory(t *testing.T) {
	b := newBed(t)
	if files := b.mustLoad(least).Policy.Files; len(files) != 0 {
		t.Errorf("files of no folder: %v", files)
	}
	const other = "version: 1\npolicy: {directory: lists}\n" + shared
	if got, want := b.faults(other), "t.yaml:2:21: policy.directory: lists can't be read: no such file or directory; give a folder that this user may read, or take the key away"; got != want {
		t.Errorf("a folder that was named and is not there\ngot  %s\nwant %s", got, want)
	}
	if got, want := b.faults("version: 1\npolicy: {directory: .}\n"+shared), "t.yaml:2:21: policy.directory: is the folder of the configuration itself; make a folder for the policy files alone, such as policy.d"; got != want {
		t.Errorf("its own folder\ngot  %s\nwant %s", got, want)
	}
	b.put("lists", "", 0o600)
	if got := b.faults(other); !strings.Contains(got, "policy.directory: lists can't be read: ") {
		t.Errorf("a file for a folder: %s", got)
	}
	b.putPolicy("a.yaml", "version: 1\npeers: {deny: [self]}\n")
	b.environ = []string{"TURNPIKE_POLICY__DIRECTORY=" + filepath.Join(b.dir, "policy.d")}
	if files := b.mustLoad(other).Policy.Files; len(files) != 1 {
		t.Errorf("the variable's folder has %d files", len(files))
	}
}

// TestLinesOfVariables have the variable for a place, and only the short form.
func TestLinesOfVariables(t *testing.T) {
	b := newBed(t)
	b.environ = []string{"TURNPIKE_POLICY__DENY=192.0.2.1-192.0.2.4,rfc1918"}
	deny := b.mustLoad(least).Policy.PeerLines().Deny
	if got, want := said(b, deny), []string{"TURNPIKE_POLICY__DENY 192.0.2.1-192.0.2.4", "TURNPIKE_POLICY__DENY rfc1918"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestNextExpiry(t *testing.T) {
	b := newBed(t)
	b.putPolicy("a.yaml", `version: 1
peers: {deny: [self, {match: 192.0.2.1, expires_at: 2026-03-01T00:00:00Z}, {match: 192.0.2.2, expires_at: 2026-01-01T00:00:00Z}]}
clients: {allow: [{match: 192.0.2.3, expires_at: "2026-02-01T00:00:00+01:00"}]}
`)
	p := &b.mustLoad("roles: [{id: default, peers: [self, {match: 192.0.2.4, expires_at: 2026-02-15T00:00:00Z}]}]\n" + least).Policy
	at := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, want := range []string{"2026-01-01T00:00:00Z", "2026-01-31T23:00:00Z", "2026-02-15T00:00:00Z", "2026-03-01T00:00:00Z"} {
		at = p.NextExpiry(at)
		if got := at.UTC().Format(time.RFC3339); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	deny := p.PeerLines().Deny
	if next := p.NextExpiry(at); !next.IsZero() || !deny[1].Expired(at) || deny[1].Expired(at.Add(-1)) || deny[0].Expired(at) {
		t.Errorf("after the last one: %v", next)
	}
}

// TestManyLines: nothing in reading grows faster than the file.
func TestManyLines(t *testing.T) {
	b := newBed(t)
	b.putPolicy("a.yaml", manyLines(100_000, "    - 100.%d.%d.%d\n"))
	if n := len(b.mustLoad(least).Policy.PeerLines().Deny); n != 100_000 {
		t.Errorf("%d lines", n)
	}
}

func manyLines(n int, form string) string {
	var text strings.Builder
	text.WriteString("version: 1\npeers:\n  deny:\n")
	for i := range n {
		fmt.Fprintf(&text, form, i>>16, i>>8&255, i&255)
	}
	return text.String()
}

// TestPolicyWarnings are of what is allowed and rarely meant.
func TestPolicyWarnings(t *testing.T) {
	b := newBed(t)
	b.putPolicy("a.yaml", "version: 1\npeers: {deny: [self, {match: 192.0.2.1, expires_at: 2020-01-01T00:00:00Z}, {match: 192.0.2.2, expires_at: 2999-01-01T00:00:00Z}]}\n")
	_, warnings, err := b.load("version: 1\npolicy: {clients: {mode: allowlist}, issuer_clients: {mode: allowlist, allow: [self]}}\n" + shared)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range warnings {
		got = append(got, strings.TrimPrefix(w.String(), b.dir+"/"))
	}
	want := []string{
		"t.yaml:2:26: policy.clients.mode: is allowlist, and no line allows anybody; allow somebody in policy.clients.allow or a policy file, or take the mode away",
		"policy.d/a.yaml:2:22: peers.deny[1]: expired at 2020-01-01T00:00:00Z and counts for nothing; take the line away",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestUnchangedFileIsKept, and one that changed is read, be it by a letter.
func TestUnchangedFileIsKept(t *testing.T) {
	b := newBed(t)
	b.putPolicy("a.yaml", "version: 1\npeers: {deny: [192.0.2.1]}\n")
	b.putPolicy("b.yaml", "version: 1\npeers: {deny: [192.0.2.2]}\n")
	was := b.mustLoad(least)
	b.putPolicy("b.yaml", "version: 1\npeers: {deny: [192.0.2.3]}\n")
	is, _, err := Load(Options{Path: b.put("t.yaml", least, 0o600), InForce: was})
	if err != nil {
		t.Fatal(err)
	}
	if &is.Policy.Files[0].Peers.Deny[0] != &was.Policy.Files[0].Peers.Deny[0] {
		t.Error("a file that stayed was read again")
	}
	if got := is.Policy.PeerLines().Deny; len(got) != 2 || got[1].String() != "192.0.2.3/32" && got[1].String() != "192.0.2.3" || got[1].Place.Line != 2 {
		t.Errorf("the lines are %v", got)
	}
}
