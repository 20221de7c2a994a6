package pure_test

import (
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
			t.Run(over.String()+"/"+c.Name, func(t *testing.T) {
				if _, err := c.Run(g.Server(c.Setting), over, i); err != nil {
					t.Error(err)
				}
			})
		}
	}
}
