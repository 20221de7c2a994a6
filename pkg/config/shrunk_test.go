package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// next is what is wrong with a file that is to take the place of c.
func (b *bed) next(c *Config, text string) string {
	b.t.Helper()
	_, _, err := Load(Options{Path: b.put("t.yaml", text, 0o600), Environ: b.environ, InForce: c})
	if err == nil {
		return ""
	}
	return strings.ReplaceAll(err.Error(), b.dir+"/", "")
}

func (b *bed) remove(name string) {
	b.t.Helper()
	if err := os.RemoveAll(filepath.Join(b.dir, name)); err != nil {
		b.t.Fatal(err)
	}
}

// TestRoleShrunkToNothing: so may the peers of a role, which reaches more without.
func TestRoleShrunkToNothing(t *testing.T) {
	b := newBed(t)
	c := b.mustLoad("version: 1\nroles: [{id: a, peers: [192.0.2.1]}, {id: default}]\n" + shared)
	const without = "version: 1\nroles: [{id: default}, {id: a}]\n"
	want := "t.yaml:2:24: roles[1].peers: has no line any more, and 1 in the configuration in force; put the lines back, or say policy.allow_empty: true if none is meant"
	if got := b.next(c, without+shared); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, text := range []string{without + "policy: {allow_empty: true}\n", "version: 1\nroles: [{id: default}]\n"} {
		if got := b.next(c, text+shared); got != "" {
			t.Errorf("%s: %s", text, got)
		}
	}
}

// TestShrunkToNothing: a list with lines may not have none after a reload, unless
// somebody says so.
func TestShrunkToNothing(t *testing.T) {
	const (
		full    = "version: 1\npolicy: {deny: [192.0.2.1, 192.0.2.2], clients: {allow: [192.0.2.3]}}\n" + shared
		file    = "version: 1\npeers: {deny: [self], allow: [10.0.0.1]}\nclients: {deny: [192.0.2.9]}\n"
		inMain  = "put the lines back, or say policy.allow_empty: true if none is meant"
		inFile  = "put the lines back, or say allow_empty: true in this file if none is meant"
		without = "has no line any more, and "
	)
	for _, tt := range []struct {
		name, main, file string // "": the file is gone
		want             string
	}{
		{"the same", full, file, ""},
		{"fewer", "version: 1\npolicy: {deny: [192.0.2.2], clients: {allow: [192.0.2.3]}}\n" + shared, "version: 1\npeers: {deny: [self], allow: [10.0.0.1]}\nclients: {deny: [192.0.2.8]}\n", ""},
		{"main list", "version: 1\npolicy: {deny: [], clients: {allow: [192.0.2.3]}}\n" + shared, file,
			"t.yaml:2:10: policy.deny: " + without + "2 in the configuration in force; " + inMain},
		{"main section", least, file, "t.yaml:1:1: policy.clients.allow: " + without + "1 in the configuration in force; " + inMain + "\n" +
			"t.yaml:1:1: policy.deny: " + without + "2 in the configuration in force; " + inMain},
		{"main list, as it says", "version: 1\npolicy: {deny: [], allow_empty: true}\n" + shared, file, ""},
		{"list of a file", full, "version: 1\npeers: {deny: [], allow: [10.0.0.1]}\nclients: {deny: [192.0.2.9]}\n",
			"policy.d/a.yaml:2:9: peers.deny: " + without + "1 in the configuration in force; " + inFile},
		{"list of a file that is left out", full, "version: 1\npeers: {deny: [self], allow: [10.0.0.1]}\n",
			"policy.d/a.yaml:1:1: clients.deny: " + without + "1 in the configuration in force; " + inFile},
		{"list of a file, as it says", full, "version: 1\npeers: {allow: [10.0.0.1]}\nallow_empty: true\n", ""},
		{"file without a line, as it says", full, "version: 1\nallow_empty: true\n", ""},
		{"main word for a file", "version: 1\npolicy: {deny: [192.0.2.1], allow_empty: true}\n" + shared, "version: 1\npeers: {deny: [self]}\nclients: {deny: [192.0.2.9]}\n",
			"policy.d/a.yaml:2:1: peers.allow: " + without + "1 in the configuration in force; " + inFile},
		{"file gone, other lines of the kind left", "version: 1\npolicy: {deny: [192.0.2.1], allow: [10.0.0.9], clients: {deny: [192.0.2.8], allow: [192.0.2.3]}}\n" + shared, "", ""},
		{"file gone, and no other line of the kind", full, "",
			"t.yaml:2:1: policy.directory: and policy.allow have no line any more, and 1 in the configuration in force; " + inMain + "\n" +
				"t.yaml:2:1: policy.directory: and policy.clients.deny have no line any more, and 1 in the configuration in force; " + inMain},
		{"file gone, as the main file says", "version: 1\npolicy: {deny: [192.0.2.1], allow_empty: true}\n" + shared, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t)
			b.putPolicy("a.yaml", file)
			c := b.mustLoad(full)
			b.remove("policy.d")
			if tt.file != "" {
				b.putPolicy("a.yaml", tt.file)
			}
			if got := b.next(c, tt.main); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
			if got := b.next(nil, tt.main); got != "" {
				t.Errorf("at a start it is refused: %s", got)
			}
		})
	}
}
