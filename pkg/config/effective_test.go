package config

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
)

// effective is a configuration printed and read back. What was redacted gets
// another secret.
func effective(t testing.TB, c *Config) []byte {
	t.Helper()
	text, err := c.Effective()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func again(text []byte) string { return strings.ReplaceAll(string(text), "'"+redacted+"'", key) }

func TestEffectiveIsAConfiguration(t *testing.T) {
	b := newBed(t)
	b.put("s", key, 0o600)
	for _, text := range []string{
		"version: 1\n" + shared,
		fromFile,
		everyKind,
		"version: 1\nrealm: \"true # {x}: 'y'\"\n" + shared,
	} {
		c := b.mustLoad(text)
		printed := effective(t, c)
		back := b.mustLoad(again(printed))
		if reprinted := effective(t, back); !bytes.Equal(printed, reprinted) {
			t.Errorf("printed\n%s\nread back and printed\n%s", printed, reprinted)
		}
		for _, c := range []*Config{c, back} {
			c.origin, c.sum = origin{}, sum{}
			for _, lines := range [][]Line{c.Policy.Allow, c.Policy.Deny, c.Policy.Clients.Allow, c.Policy.Clients.Deny, c.Policy.IssuerClients.Deny} {
				for i := range lines {
					lines[i].Place = Place{}
				}
			}
			c.Store.Redis.Password, c.Store.Redis.SentinelPassword = Secret{}, Secret{}
			for i := range c.Credentials.IssuerKeys {
				c.Credentials.IssuerKeys[i].Secret = Secret{}
			}
			for i := range c.Credentials.SharedSecrets {
				c.Credentials.SharedSecrets[i].Secret = Secret{}
			}
		}
		c.Issuer.Listen = append([]Endpoint{}, c.Issuer.Listen...) // none, in words
		if !reflect.DeepEqual(c, back) {
			t.Errorf("printed and read back\ngot  %+v\nwant %+v", back, c)
		}
	}
}

func TestEffectiveNamesVariables(t *testing.T) {
	b := newBed(t)
	b.put("s", "6h\n", 0o600)
	b.environ = []string{"TURNPIKE_DRAIN__TIMEOUT__FILE=s", "TURNPIKE_CREDENTIALS__SHARED_SECRETS__APP__SECRET=" + key, "TURNPIKE_POLICY__DENY=10.0.0.0/8"}
	printed := string(effective(t, b.mustLoad("version: 1\ncredentials: {shared_secrets: [{id: app}]}\n")))
	for _, want := range []string{
		"drain:\n  # from TURNPIKE_DRAIN__TIMEOUT__FILE\n  timeout: 6h\n",
		"      # from TURNPIKE_CREDENTIALS__SHARED_SECRETS__APP__SECRET\n      secret: '[redacted]'\n",
		"  allow: []\n  # from TURNPIKE_POLICY__DENY\n  deny: [10.0.0.0/8]\n",
	} {
		if !strings.Contains(printed, want) {
			t.Errorf("no\n%s\nin\n%s", want, printed)
		}
	}
	if strings.Count(printed, "# from") != 3 {
		t.Errorf("other values have an origin too:\n%s", printed)
	}
}

// FuzzLoad: whatever the file, Load ends with a configuration that can be
// printed and read back, or with faults that have a place, a reason and a cure.
func FuzzLoad(f *testing.F) {
	for _, tt := range badFiles {
		f.Add([]byte(strings.ReplaceAll(tt.file, "KEY", key)), "TURNPIKE_RELAY__MIN_PORT", "5")
	}
	f.Add([]byte(everyKind), "TURNPIKE_ROLES__GUEST__IDLE", "5m")
	f.Add([]byte("version: 1\n"+shared), "TURNPIKE_POLICY__DENY", "10.0.0.0/8")
	f.Add([]byte("version: 1\n"+shared), "TURNPIKE_\x00", "")
	f.Add([]byte("version: 1\ntls: {certificate_file: \"a\\nb\", key_file: k}\n"+shared), "TURNPIKE_REALM__FILE", "a\nb")
	f.Fuzz(func(t *testing.T, file []byte, name, value string) {
		read := func(file []byte, environ ...string) (*Config, error) {
			l := newLoader(Options{Path: "t.yaml", Environ: environ})
			l.dir = "/nowhere"
			c, _, err := l.load(file)
			return c, err
		}
		c, err := read(file, name+"="+value)
		if err != nil {
			for _, fault := range err.(Faults) {
				if fault.File == "" || fault.Reason == "" || fault.Cure == "" || fault.Line > 0 && fault.Column < 1 ||
					strings.ContainsAny(fault.Error(), "\n\x00") {
					t.Errorf("%#v", fault)
				}
			}
			return
		}
		printed := effective(t, c)
		back, err := read([]byte(again(printed)))
		if err != nil {
			t.Fatalf("%v\nin\n%s", err, printed)
		}
		if reprinted := effective(t, back); !bytes.Equal(withoutComments(printed), reprinted) {
			t.Errorf("printed\n%s\nread back and printed\n%s", printed, reprinted)
		}
	})
}

func withoutComments(text []byte) []byte {
	var kept []byte
	for line := range bytes.Lines(text) {
		if !bytes.HasPrefix(bytes.TrimSpace(line), []byte("# from ")) {
			kept = append(kept, line...)
		}
	}
	return kept
}
