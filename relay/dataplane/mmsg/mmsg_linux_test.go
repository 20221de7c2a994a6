package mmsg_test

import (
	"testing"

	"go.uber.org/goleak"

	"turnpike/relay/dataplane/mmsg"
	"turnpike/relay/dataplane/planetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func network(is6 bool, o mmsg.Options) func(testing.TB) planetest.Network {
	return func(t testing.TB) planetest.Network {
		p, err := mmsg.New(o)
		if err != nil {
			t.Fatal(err)
		}
		return planetest.Loopback(t, p, is6)
	}
}

// contracts are the ways that the kernel can be asked.
var contracts = map[string]mmsg.Options{
	"all":        {},
	"one worker": {Workers: 1},
	"8 workers":  {Workers: 8},
	"no GRO":     {NoGRO: true},
	"no GSO":     {NoGSO: true},
	"neither":    {NoGRO: true, NoGSO: true},
	"coalescing": {Coalesce: mmsg.MaxCoalesce},
}

func TestContract4(t *testing.T) {
	for name, o := range contracts {
		t.Run(name, func(t *testing.T) { planetest.Run(t, network(false, o)) })
	}
}

func TestContract6(t *testing.T) {
	for name, o := range contracts {
		t.Run(name, func(t *testing.T) { planetest.Run(t, network(true, o)) })
	}
}

func BenchmarkRelay(b *testing.B) {
	planetest.Bench(b, network(false, mmsg.Options{}))
}
