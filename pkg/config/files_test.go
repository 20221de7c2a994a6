package config

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const fromFile = "version: 1\ncredentials: {shared_secrets: [{id: app, secret_file: s}]}\n"

func TestSecretFile(t *testing.T) {
	for text, want := range map[string]string{
		key:                 key,
		key + "\n":          key,
		key + "\r\n":        key,
		key + "\n\n":        key + "\n", // one line end, and no more
		" " + key + " \n":   " " + key + " ",
		"a\nb":              "a\nb",
		key + "\x00\xff\r":  key + "\x00\xff\r",
		"[redacted]\n":      "[redacted]",
		"# not a comment\n": "# not a comment",
	} {
		b := newBed(t)
		path := b.put("s", text, 0o640)
		c := b.mustLoad(fromFile)
		s := c.Credentials.SharedSecrets[0]
		if s.Secret.Text() != want || s.SecretFile != path {
			t.Errorf("%q: got %q of %s", text, s.Secret.Text(), s.SecretFile)
		}
	}
}

func TestBadFilesOfSecrets(t *testing.T) {
	const at = "t.yaml:2:55: credentials.shared_secrets[0].secret_file: s "
	for _, tt := range []struct {
		name, text string
		mode       os.FileMode
		want       string
	}{
		{"empty", "", 0o600, at + "is empty; write the value into it"},
		{"a line end", "\n", 0o600, at + "holds nothing but a line end; write the secret into it"},
		{"for everybody", key, 0o604, at + "can be read or written by everybody (mode 0604); run chmod o= on it; a secret mounted into a container takes the mode 0440"},
		{"writable by everybody", key, 0o602, at + "can be read or written by everybody (mode 0602); run chmod o= on it; a secret mounted into a container takes the mode 0440"},
		{"too long", strings.Repeat("x", maxSecretBytes+1), 0o600, at + "can't be read: it has more than 65536 bytes; give a file that this user may read"},
		{"not there", "-", 0, at + "can't be read: no such file or directory; give a file that this user may read"},
		{"a folder", "/", 0, at + "can't be read: it is not a regular file; give a file that this user may read"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t)
			switch tt.text {
			case "-":
			case "/":
				if err := os.Mkdir(filepath.Join(b.dir, "s"), 0o700); err != nil {
					t.Fatal(err)
				}
			default:
				b.put("s", tt.text, tt.mode)
			}
			if got := b.faults(fromFile); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestInlineSecretNeedsAPrivateFile(t *testing.T) {
	b := newBed(t)
	load := func(text string, mode os.FileMode) string {
		_, _, err := Load(Options{Path: b.put("t.yaml", text, mode), Environ: b.environ})
		return strings.ReplaceAll(fmt.Sprint(err), b.dir+"/", "")
	}
	want := "t.yaml:2:50: credentials.shared_secrets[0].secret: stands in a file that can be read or written by everybody; " +
		"run chmod o= t.yaml, or put the secret into a file of its own (secret_file)"
	if got := load("version: 1\n"+shared, 0o644); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := load("version: 1\n"+shared, 0o640); got != "<nil>" {
		t.Error(got)
	}
	b.put("s", key, 0o600)
	if got := load(fromFile, 0o644); got != "<nil>" {
		t.Error("no secret inside: ", got)
	}
	b.environ = []string{"TURNPIKE_CREDENTIALS__SHARED_SECRETS__APP__SECRET=" + key}
	if got := load("version: 1\ncredentials: {shared_secrets: [{id: app}]}\n", 0o644); got != "<nil>" {
		t.Error("the secret is a variable's: ", got)
	}
}

func TestSecretOfAVariableIsPrivateToo(t *testing.T) {
	const text = "version: 1\ncredentials: {shared_secrets: [{id: app}]}\n"
	b := newBed(t)
	b.put("s", key, 0o644)
	b.environ = []string{"TURNPIKE_CREDENTIALS__SHARED_SECRETS__APP__SECRET__FILE=s"}
	want := b.environ[0][:strings.Index(b.environ[0], "=")] + ": credentials.shared_secrets[0].secret: s can be read or written by everybody (mode 0644); " +
		"run chmod o= on it; a secret mounted into a container takes the mode 0440"
	if got := b.faults(text); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestNonceKey(t *testing.T) {
	b := newBed(t)
	nonce := strings.Repeat("\n\xff", 16) + "\n"
	b.put("n", nonce, 0o600)
	const text = "version: 1\ncredentials: {nonce_key_file: n, shared_secrets: [{id: app, secret: " + key + "}]}\n"
	if c := b.mustLoad(text); c.Credentials.NonceKey.Text() != nonce {
		t.Errorf("got %q, want the bytes as they are", c.Credentials.NonceKey.Text())
	}
	b.put("n", nonce[:31], 0o600)
	if got, want := b.faults(text), "t.yaml:2:31: credentials.nonce_key_file: n has 31 bytes; write 32 random ones into it: head -c 32 /dev/urandom"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestCertificateFiles(t *testing.T) {
	const tls = "version: 1\n" + shared
	for _, tt := range []struct{ text, want string }{
		{"tls: {certificate_file: c, key_file: k}\nlisten: [{transports: [tls]}]\n", ""},
		{"issuer: {certificate_file: c, key_file: k}\n", ""},
		{"tls: {certificate_file: c}\n", "t.yaml:3:25: tls.certificate_file: has no key to go with; give tls.key_file too"},
		{"tls: {key_file: k}\n", "t.yaml:3:17: tls.key_file: has no certificate to go with; give tls.certificate_file too"},
		{"tls: {certificate_file: x, key_file: k}\n", "t.yaml:3:25: tls.certificate_file: x can't be read: no such file or directory; give a file that this user may read"},
		{"issuer: {certificate_file: c, key_file: open}\n", "t.yaml:3:41: issuer.key_file: open can be read or written by everybody (mode 0644); " +
			"run chmod o= on it; a secret mounted into a container takes the mode 0440"},
	} {
		b := newBed(t)
		b.put("c", "certificate", 0o644)
		b.put("k", "key", 0o600)
		b.put("open", "key", 0o644)
		if got := b.faults(tls + tt.text); got != tt.want {
			t.Errorf("%s\ngot  %s\nwant %s", tt.text, got, tt.want)
		}
	}
}

// TestWhereFilesAre: a bare name is one of systemd's credentials if there is
// one of that name, every other relative path starts at the file's folder.
func TestWhereFilesAre(t *testing.T) {
	b, systemd := newBed(t), newBed(t)
	b.put("s", key+"-beside", 0o600)
	b.put("only-here", key+"-here", 0o600)
	systemd.put("s", key+"-systemd", 0o400)
	absolute := b.put("a", key+"-absolute", 0o600)
	b.environ = []string{"CREDENTIALS_DIRECTORY=" + systemd.dir}
	for name, want := range map[string]string{"s": "-systemd", "./s": "-beside", "only-here": "-here", absolute: "-absolute"} {
		c := b.mustLoad(strings.Replace(fromFile, "secret_file: s", "secret_file: "+name, 1))
		if got := c.Credentials.SharedSecrets[0].Secret.Text(); got != key+want {
			t.Errorf("%s: read %s", name, got)
		}
	}
	t.Chdir(b.dir)
	c, _, err := Load(Options{Path: "t.yaml"})
	if err != nil || !filepath.IsAbs(c.Credentials.SharedSecrets[0].SecretFile) {
		t.Errorf("%v, %+v: want an absolute path, whatever the working directory becomes", err, c)
	}
}

func TestWhereRevocationsAre(t *testing.T) {
	b := newBed(t)
	given := strings.Replace(least, "credentials: {", "credentials: {revocations_file: r/here.jsonl, ", 1)
	for _, c := range []struct{ text, state, want string }{
		{least, "", ""},
		{least, "/var/lib/turnpike:/var/lib/other", "/var/lib/turnpike/revocations.jsonl"},
		{given, "/var/lib/turnpike", filepath.Join(b.dir, "r/here.jsonl")},
	} {
		b.environ = []string{"STATE_DIRECTORY=" + c.state}
		if got := b.mustLoad(c.text).Credentials.RevocationsFile; got != c.want {
			t.Errorf("state directory %q: %q, want %q", c.state, got, c.want)
		}
	}
}

func TestUnreadableConfig(t *testing.T) {
	b := newBed(t)
	for path, want := range map[string]string{
		b.dir + "/nowhere.yaml": "nowhere.yaml: can't be read: no such file or directory; give the path of a configuration file that this user may read",
		b.dir:                   ": can't be read: it is not a regular file; give the path of a configuration file that this user may read",
		b.put("big.yaml", strings.Repeat("#", maxConfigBytes+1), 0o600): "big.yaml: can't be read: it has more than 1048576 bytes; " +
			"give the path of a configuration file that this user may read",
	} {
		_, _, err := Load(Options{Path: path})
		if got := strings.TrimPrefix(strings.TrimPrefix(fmt.Sprint(err), b.dir), "/"); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// TestSecretIsNeverPrinted prints a configuration with secrets in every way
// that a log or an error might.
func TestSecretIsNeverPrinted(t *testing.T) {
	b := newBed(t)
	b.put("n", key+key, 0o600)
	c := b.mustLoad(strings.Replace(everyKind, "issue_with: k2", "issue_with: k2\n  nonce_key_file: n", 1))
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", c.Credentials.NonceKey, "config", c, "key", c.Credentials.IssuerKeys[0])
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	effective, err := c.Effective()
	if err != nil {
		t.Fatal(err)
	}
	printed := []string{log.String(), string(text), string(effective)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		printed = append(printed, fmt.Sprintf(verb, *c), fmt.Sprintf(verb, c.Credentials), fmt.Sprintf(verb, c.Credentials.NonceKey),
			fmt.Sprintf(verb, struct{ s Secret }{c.Credentials.NonceKey}))
	}
	for _, p := range printed {
		if strings.Contains(p, key[:8]) || strings.Contains(p, fmt.Sprintf("%x", key[:8])) {
			t.Errorf("printed: %s", p)
		}
	}
	if !strings.Contains(string(effective), redacted) {
		t.Errorf("nothing is redacted in\n%s", effective)
	}
}

// TestNoFaultRepeatsASecret puts one where it may be put by mistake.
func TestNoFaultRepeatsASecret(t *testing.T) {
	for _, text := range []string{
		"credentials: {shared_secrets: [{id: a, secret: [KEY]}]}",
		"credentials: {shared_secrets: [{id: a, secret: {KEY: a}}]}",
		"credentials: {shared_secrets: [{id: a, secret: !KEY 5}]}",
		"credentials: {shared_secrets: [KEY]}",
		"credentials: {shared_secrets: KEY}",
		"credentials: KEY",
		"issuer: {api_keys: [{id: a, hash: KEY}]}",
		"credentials: {shared_secrets: [{id: a, secret: KEY, secret: KEY}]}",
		"credentials: {shared_secrets: [{id: a, secret: \"KEY}]}",
	} {
		got := newBed(t).faults("version: 1\n" + strings.ReplaceAll(text, "KEY", key) + "\n")
		if got == "" || strings.Contains(got, key[:8]) {
			t.Errorf("%s: %s", text, got)
		}
	}
}
