package pure_test

import (
	"flag"
	"os"
	"testing"

	"go.uber.org/goleak"

	"turnpike/relay/relaytest/wire"
	"turnpike/relay/relaytest/wire/pure"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Every case of the table, against the gate alone.
func TestGate(t *testing.T) {
	g, err := pure.New()
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range wire.Cases() {
		for _, over := range wire.Transports() {
			if !c.Runs(over) {
				continue
			}
			t.Run(over.String()+"/"+c.Key(), func(t *testing.T) {
				if _, err := c.Run(g.Server(c.Setting), over, i); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

var update = flag.Bool("update", false, "write docs/wire.md anew")

// The page says what the table says, and what was sent and answered.
func TestPage(t *testing.T) {
	g, err := pure.New()
	if err != nil {
		t.Fatal(err)
	}
	played := map[string][]wire.Exchange{}
	for _, c := range wire.Cases() {
		if _, twice := played[c.Key()]; twice {
			t.Errorf("two cases are called %q", c.Key())
		}
		if played[c.Key()], err = c.Run(g.Server(c.Setting), first(&c), 0); err != nil {
			t.Fatal(err)
		}
	}
	want, err := wire.Page(played)
	if err != nil {
		t.Fatal(err)
	}
	const path = "../../../../docs/wire.md"
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if stale := wire.Stale(page, want); stale != "" {
		t.Errorf("docs/wire.md is stale: %s\ngo test ./relay/relaytest/wire/pure -run TestPage -update", stale)
	}
}
