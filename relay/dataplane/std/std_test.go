package std_test

import (
	"testing"

	"go.uber.org/goleak"

	"turnpike/relay/dataplane/planetest"
	"turnpike/relay/dataplane/std"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func network(is6 bool) func(testing.TB) planetest.Network {
	return func(t testing.TB) planetest.Network {
		p, err := std.New(std.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return planetest.Loopback(t, p, is6)
	}
}

func TestContract4(t *testing.T) { planetest.Run(t, network(false)) }
func TestContract6(t *testing.T) { planetest.Run(t, network(true)) }

func BenchmarkRelay(b *testing.B) { planetest.Bench(b, network(false)) }
