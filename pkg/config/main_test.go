package config

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// key is long enough for any use.
const key = "correct-horse-battery-staple-0123456789"

// shared is the least that a file says beside its version.
const shared = "credentials: {shared_secrets: [{id: app, secret: " + key + "}]}\n"

// bed is a folder with a configuration in it.
type bed struct {
	t       testing.TB
	dir     string
	environ []string
}

func newBed(t testing.TB) *bed { return &bed{t: t, dir: t.TempDir()} }

// put writes a file and gives its path.
func (b *bed) put(name, text string, mode os.FileMode) string {
	b.t.Helper()
	path := filepath.Join(b.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		b.t.Fatal(err)
	}
	return path
}

func (b *bed) load(text string) (*Config, []Warning, error) {
	b.t.Helper()
	return Load(Options{Path: b.put("t.yaml", text, 0o600), Environ: b.environ})
}

func (b *bed) mustLoad(text string) *Config {
	b.t.Helper()
	c, _, err := b.load(text)
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

// faults is what is wrong with a file, without the folder's name.
func (b *bed) faults(text string) string {
	b.t.Helper()
	c, _, err := b.load(text)
	if err == nil {
		return ""
	}
	if c != nil {
		b.t.Error("a configuration beside an error")
	}
	return strings.ReplaceAll(err.Error(), b.dir+"/", "")
}

// network is a match of ADDRESS/BITS.
func network(text string) Match { return Match{Prefix: netip.MustParsePrefix(text)} }
