package relaytest

import (
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// stockModules are the versions that make the server the negative control.
var stockModules = map[string]string{
	"github.com/pion/turn/v4": "v4.1.4",
	"github.com/pion/stun/v3": "v3.0.1",
}

// stockPionBinary builds the server and returns its path.
func stockPionBinary(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "stockpion")
	if err := BuildStockPion(bin); err != nil {
		t.Fatal(err)
	}
	return bin
}

// BuildStockPion builds the server of [StockPion] as bin, which is an absolute
// path, for those who measure it outside of a test.
func BuildStockPion(bin string) error {
	dir, err := stockPionDir()
	if err != nil {
		return err
	}
	cmd := exec.Command("go", "build", "-C", dir, "-mod=readonly", "-buildvcs=false", "-o", bin, ".")
	// A workspace would raise pion/stun to the version that the relay uses,
	// and flags meant for the relay's build are not meant for this one.
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("relaytest: building stock pion: %w\n%s", err, out)
	}
	return checkStockModules(bin)
}

// stockPionDir finds the server's source from the module that is under test.
func stockPionDir() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	gomod := strings.TrimSpace(string(out))
	if err != nil || filepath.Base(gomod) != "go.mod" {
		return "", fmt.Errorf("relaytest: go env GOMOD gave %q (%v): run the tests from the source tree, with go in PATH", gomod, err)
	}
	return filepath.Join(filepath.Dir(gomod), "relay", "relaytest", "stockpion"), nil
}

// checkStockModules makes sure that the control is what it is called: a newer
// pion/stun would survive the attacks and prove nothing.
func checkStockModules(bin string) error {
	info, err := buildinfo.ReadFile(bin)
	if err != nil {
		return fmt.Errorf("relaytest: %w", err)
	}
	found := make(map[string]string)
	for _, m := range info.Deps {
		found[m.Path] = m.Version
	}
	var errs []error
	for path, want := range stockModules {
		if found[path] != want {
			errs = append(errs, fmt.Errorf("relaytest: stock pion was built with %s %s, want %s: restore stockpion/go.mod", path, found[path], want))
		}
	}
	return errors.Join(errs...)
}
