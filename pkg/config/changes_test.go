package config

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// told are changes as people are told them, each with when it applies.
func told(b *bed, changes []Change) (all []string) {
	for _, c := range changes {
		all = append(all, fmt.Sprintf("live %v: %s", c.Live, strings.ReplaceAll(c.String(), b.dir+"/", "")))
	}
	return all
}

func TestChanges(t *testing.T) {
	const full = "version: 1\nroles: [{id: default}, {id: guest, allocations: 4}]\npolicy: {deny: [192.0.2.1, rfc1918]}\n" + shared
	for _, tt := range []struct {
		name, was, is string
		want          []string
	}{
		{"nothing", full, full, nil},
		{"only places", full, "# here\n" + full, nil},
		{"order of lines", full, strings.Replace(full, "192.0.2.1, rfc1918", "rfc1918, 192.0.2.1/32", 1), nil},
		{"a value", least, least + "limits: {channels: 65}\n", []string{"live true: limits.channels: 64 -> 65 (t.yaml:3:20)"}},
		{"a value to its default", least + "limits: {channels: 65}\n", least, []string{"live true: limits.channels: 65 -> 64 (t.yaml:1:1)"}},
		{"one that takes a restart", least, least + "realm: x\n", []string{"live false: realm: turnpike -> x (t.yaml:3:8)"}},
		{"an empty text", least, strings.Replace(least, "id: app", "id: app, tenant: acme", 1),
			[]string{`live true: credentials.shared_secrets[app].tenant: "" -> acme (t.yaml:2:50)`}},
		{"a list", least, least + "stun_servers: [\"192.0.2.1:3478\"]\n", []string{"live false: stun_servers: [] -> [192.0.2.1:3478] (t.yaml:3:1)"}},
		{"a listener", least, least + "listen: [{address: \"0.0.0.0:3479\"}]\n", []string{"live false: listen[0].address: 0.0.0.0:3478 -> 0.0.0.0:3479 (t.yaml:3:20)"}},
		{"one listener more", least, least + "listen: [{}, {address: \"[::]:3478\"}]\n", []string{"live false: listen: [0] -> [0, 1] (t.yaml:3:1)"}},
		{"an entry by its id", full, strings.Replace(full, "{id: default}, {id: guest, allocations: 4}", "{id: guest, allocations: 5}, {id: default}", 1),
			[]string{"live true: roles: [default, guest] -> [guest, default] (t.yaml:2:1)", "live true: roles[guest].allocations: 4 -> 5 (t.yaml:2:34)"}},
		{"an entry gone", full, strings.Replace(full, ", {id: guest, allocations: 4}", "", 1),
			[]string{"live true: roles: [default, guest] -> [default] (t.yaml:2:1)"}},
		{"a secret", least, strings.Replace(least, key, key+"2", 1),
			[]string{"live true: credentials.shared_secrets[app].secret: [redacted] -> [redacted] (t.yaml:2:50)"}},
		{"lines", full, strings.Replace(full, "192.0.2.1, rfc1918", "192.0.2.1, {match: rfc1918, comment: x}, self", 1),
			[]string{`live true: policy.deny: + rfc1918, comment "x" (t.yaml:3:28)`, "live true: policy.deny: + self (t.yaml:3:58)", "live true: policy.deny: - rfc1918 (t.yaml:3:28)"}},
		{"the same line once more", full, strings.Replace(full, "rfc1918", "rfc1918, rfc1918", 1), []string{"live true: policy.deny: + rfc1918 (t.yaml:3:37)"}},
		{"comment for ticket", strings.Replace(full, "rfc1918", "{match: self, comment: x}", 1), strings.Replace(full, "rfc1918", "{match: self, ticket: x}", 1),
			[]string{`live true: policy.deny: + self, ticket "x" (t.yaml:3:28)`, `live true: policy.deny: - self, comment "x" (t.yaml:3:28)`}},
		{"peers of a role", full, strings.Replace(full, "allocations: 4", "allocations: 4, peers: [rfc1918, {match: 192.0.2.7, ports: [443]}]", 1),
			[]string{"live true: roles[guest].peers: + rfc1918 (t.yaml:2:60)", "live true: roles[guest].peers: + 192.0.2.7, ports 443 (t.yaml:2:69)"}},
		{"transports of a role", full, strings.Replace(full, "allocations: 4", "allocations: 4, transports: [tls]", 1),
			[]string{"live true: roles[guest].transports: [udp, tcp, tls] -> [tls] (t.yaml:2:52)"}},
		{"mode of clients", full, strings.Replace(full, "deny", "clients: {mode: allowlist}, deny", 1),
			[]string{"live true: policy.clients.mode: public -> allowlist (t.yaml:3:26)"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t)
			was, is := b.mustLoad(tt.was), b.mustLoad(tt.is)
			if got := told(b, was.Changes(is)); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

// TestChangesOfFiles: of what stands in other files the content counts.
func TestChangesOfFiles(t *testing.T) {
	const text = "version: 1\npolicy: {deny: [192.0.2.1]}\ncredentials: {nonce_key_file: nonce, shared_secrets: [{id: app, secret_file: app}]}\n"
	b := newBed(t)
	b.put("nonce", strings.Repeat("n", 32), 0o600)
	b.put("app", key, 0o600)
	b.putPolicy("a.yaml", "version: 1\npeers: {deny: [192.0.2.2], allow: [10.0.0.1]}\n")
	was := b.mustLoad(text)
	b.put("nonce", strings.Repeat("m", 32), 0o600)
	b.put("app", key+"2", 0o600)
	b.putPolicy("a.yaml", "version: 1\npeers: {allow: [10.0.0.2]}\n")
	b.putPolicy("b.yaml", "version: 1\npeers: {deny: [192.0.2.2]}\nclients: {allow: [192.0.2.3]}\n")
	want := []string{
		"live true: credentials.shared_secrets[app].secret: [redacted] -> [redacted] (t.yaml:3:55)",
		"live true: credentials.nonce_key_file: [redacted] -> [redacted] (nonce)",
		"live true: policy.allow: + 10.0.0.2 (policy.d/a.yaml:2:17)",
		"live true: policy.allow: - 10.0.0.1 (policy.d/a.yaml:2:36)",
		"live true: policy.clients.allow: + 192.0.2.3 (policy.d/b.yaml:3:19)",
	}
	if got := told(b, was.Changes(b.mustLoad(text))); !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestManyChangedLines(t *testing.T) {
	b := newBed(t)
	was := b.mustLoad(least)
	b.putPolicy("a.yaml", manyLines(5000, "    - 100.%d.%d.%d\n"))
	got := told(b, was.Changes(b.mustLoad(least)))
	if want := "live true: policy.deny: + 4980 lines, this the first of them: 100.0.0.20 (policy.d/a.yaml:24:7)"; len(got) != maxLineChanges+1 || got[maxLineChanges] != want {
		t.Errorf("%d changes, the last %q", len(got), got[len(got)-1])
	}
}

// TestEveryKeyIsCompared: a key that is given another value is a change.
func TestEveryKeyIsCompared(t *testing.T) {
	b := newBed(t)
	c := b.mustLoad(everyKind)
	var each func(s *shape, v reflect.Value, path string)
	each = func(s *shape, v reflect.Value, path string) {
		for _, f := range s.fields {
			value, at := v.Field(f.field), under(path, f.name)
			if f.kind == section {
				each(f, value, at)
				continue
			}
			if f.typ == lineType {
				continue // TestChanges
			}
			before := reflect.ValueOf(value.Interface())
			value.Set(other(value))
			changes := b.mustLoad(everyKind).Changes(c)
			if len(changes) != 1 || changes[0].Path != at || changes[0].Live != (f.apply == "live") {
				t.Errorf("%s, live %v: the changes are %v", at, f.apply == "live", changes)
			}
			value.Set(before)
		}
	}
	each(top, reflect.ValueOf(c).Elem(), "")
}

// other is another value of the type.
func other(v reflect.Value) reflect.Value {
	o := reflect.New(v.Type()).Elem()
	switch {
	case v.Kind() == reflect.Slice && v.Len() > 0:
	case v.Kind() == reflect.Slice:
		nothing := reflect.Zero(v.Type().Elem())
		o.Set(reflect.Append(o, nothing, nothing)) // as a text one alone is like none
	case v.IsZero() && v.CanInt():
		o.SetInt(1)
	case v.IsZero() && v.Kind() == reflect.Bool:
		o.SetBool(true)
	case v.IsZero() && v.Kind() == reflect.String:
		o.SetString("other")
	}
	return o
}
