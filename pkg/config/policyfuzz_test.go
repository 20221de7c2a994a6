package config

import (
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// readPolicy reads a text as the policy file p.yaml.
func readPolicy(data []byte) (PolicyFile, Faults) {
	l := newLoader(Options{Path: "p.yaml"})
	l.top = policyTop
	p := l.parsePolicy(data)
	return p, l.faults
}

// FuzzPolicyFile: whatever the file, it gives lines that mean the same when they
// are written and read again, or faults that have a place, a reason and a cure.
func FuzzPolicyFile(f *testing.F) {
	for _, tt := range badPolicyFiles {
		f.Add([]byte(tt.file))
	}
	f.Add([]byte("version: 1\npeers: {deny: [{match: 198.18.0.0-198.18.7.255, ports: [80, 8000-8999], comment: 'a: b', ticket: '1', expires_at: 2026-12-31T00:00:00.5+02:00}]}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, faults := readPolicy(data)
		for _, fault := range faults {
			if fault.File == "" || fault.Line < 1 || fault.Column < 1 || fault.Reason == "" || fault.Cure == "" || strings.ContainsAny(fault.Error(), "\n\x00") {
				t.Errorf("%#v", fault)
			}
		}
		if len(faults) > 0 {
			return
		}
		back, faults := readPolicy(written(t, &p))
		if len(faults) > 0 {
			t.Fatalf("%v\nin\n%s", faults, written(t, &p))
		}
		if got, want := meant(&back), meant(&p); !reflect.DeepEqual(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	})
}

// written is a policy file with what p says.
func written(t *testing.T, p *PolicyFile) []byte {
	doc := map[string]any{"version": 1, "allow_empty": p.AllowEmpty}
	for _, k := range kinds {
		section := map[string]any{}
		for _, key := range listKeys {
			list := []*yaml.Node{}
			for _, line := range k.of(p).named(key) {
				list = append(list, lineNode(&line))
			}
			section[key] = list
		}
		doc[k.file] = section
	}
	text, err := yaml.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// meant is what p says, but for where.
func meant(p *PolicyFile) (all []string) {
	for _, k := range kinds {
		for _, key := range listKeys {
			for _, line := range k.of(p).named(key) {
				all = append(all, k.file+"."+key+": "+line.String())
			}
		}
	}
	return all
}

// TestCutPolicyFile: wherever a file is cut within a line, it is refused.
func TestCutPolicyFile(t *testing.T) {
	whole := "version: 1\npeers:\n  deny:\n    - 128.0.0.0/10\n    - {match: rfc1918, ports: [80, 443]}\n    - 192.0.2.77\nclients:\n  deny: [2001:db8::/32, 10.0.0.0/8]\n"
	if _, faults := readPolicy([]byte(whole)); len(faults) > 0 {
		t.Fatal(faults)
	}
	for n := range len(whole) {
		if n > 0 && whole[n-1] == '\n' {
			continue
		}
		if p, faults := readPolicy([]byte(whole[:n])); len(faults) == 0 {
			t.Errorf("cut behind %q it says %q", whole[:n], meant(&p))
		}
	}
}
