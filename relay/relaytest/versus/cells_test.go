package main

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"turnpike/pkg/config"
)

var all = regexp.MustCompile("")

// What a cell names is there, and its targets are of what it measures.
func TestCells(t *testing.T) {
	names := map[string]bool{}
	for _, c := range allCells() {
		if names[c.name] {
			t.Errorf("%s is there twice", c.name)
		}
		names[c.name] = true
		rivals := c.rivals(all)
		if rivals[0].name != c.compared() {
			t.Errorf("%s: %s is not the first of %v", c.name, c.compared(), rivals)
		}
		if want := 3 + len(c.servers) - len(c.without); len(rivals) != want {
			t.Errorf("%s: %d servers, want %d", c.name, len(rivals), want)
		}
		for _, tt := range c.targets {
			if !slices.Contains(c.part.metrics, tt.metric) || !tt.metric.compared {
				t.Errorf("%s: a target for %s, which is not compared there", c.name, tt.metric.title)
			}
			if !slices.ContainsFunc(rivals, func(s server) bool { return s.name == tt.server }) {
				t.Errorf("%s: a target for %s, which is not measured there", c.name, tt.server)
			}
		}
	}
}

func TestChoose(t *testing.T) {
	if quick := choose(allCells(), all, true); len(quick) < 5 || len(quick) > 8 {
		t.Errorf("a quick run has %d cells", len(quick))
	}
	tcp := choose(allCells(), regexp.MustCompile("^tcp"), false)
	if len(tcp) != 2 || tcp[0].name != "tcp, 160 B" {
		t.Errorf("chosen: %v", tcp)
	}
	if rivals := tcp[0].rivals(regexp.MustCompile("^pion$")); len(rivals) != 2 || rivals[0].name != coturn {
		t.Errorf("rivals: %v, want coturn and pion", rivals)
	}
}

func TestParse(t *testing.T) {
	o, list, err := parse([]string{"versus"}, io.Discard)
	if err != nil || list || o.rounds != 3 || o.timing != (timing{time.Second, 3 * time.Second}) || len(o.cells) != len(allCells()) {
		t.Errorf("%+v, %t, %v", o, list, err)
	}
	o, list, err = parse(strings.Fields("versus --quick --list --rounds 5 --cells binding"), io.Discard)
	if err != nil || !list || o.rounds != 5 || o.timing.measured != 2*time.Second || len(o.cells) != 1 {
		t.Errorf("%+v, %t, %v", o, list, err)
	}
	for _, args := range []string{"--cells (", "--servers (", "--cells nothing", "--rounds -1", "--duration -1s", "more", "--what"} {
		if _, _, err := parse(strings.Fields("versus "+args), io.Discard); err == nil {
			t.Errorf("%s: accepted", args)
		}
	}
}

// Every setting that is measured is one that turnpike takes.
func TestConfigurations(t *testing.T) {
	f := files{t.TempDir()}
	for _, name := range []string{f.secret(), f.certificate(), f.key()} {
		if err := os.WriteFile(name, []byte(strings.Repeat("x", 64)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range servers {
		if s.program != turnpike {
			continue
		}
		if err := os.WriteFile(f.config(), []byte(s.configuration()), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := config.Load(config.Options{Path: f.config()}); err != nil {
			t.Errorf("%s: %v", s.name, err)
		}
	}
}

// No secret is on the load source's command line, where everybody can read it,
// nor is one needed where nobody authenticates.
func TestCredentials(t *testing.T) {
	f := files{"/d"}
	relay := load{scenario: relaying, clients: 5000}
	if got := (server{name: coturn, program: coturn, plane: ""}).credentials(f, relay); !slices.Equal(got, []string{"--secret-file", filepath.Join("/d", "secret"), "--users", "1000"}) {
		t.Errorf("coturn: %q", got)
	}
	if got := (server{name: pion, program: pion, plane: ""}).credentials(f, relay); !slices.Equal(got, []string{"--user", pionUser, "--password-file", filepath.Join("/d", "password")}) {
		t.Errorf("pion: %q", got)
	}
	if got := (server{name: turnpike, program: turnpike, plane: ""}).credentials(f, load{scenario: binding}); got != nil {
		t.Errorf("binding: %q", got)
	}
}
