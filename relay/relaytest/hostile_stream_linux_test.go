package relaytest

import (
	"net"
	"net/netip"
	"os"
	"testing"
	"time"
)

// TestStockPionSpinsOnHostileStreams is the negative control: what the relay
// fends off has an unguarded server spin, also when no client is left.
func TestStockPionSpinsOnHostileStreams(t *testing.T) {
	if !InNamespace(t, Namespace{Own: []netip.Prefix{publicNet}, StockPion: true}) {
		return
	}
	HostileStreamsSucceed(t, func(t *testing.T) StreamEnv {
		env, stock := stockEnv(t)
		return StreamEnv{
			Alice: env.Alice, Bob: env.Bob,
			Dial:  func() (net.Conn, error) { return net.Dial("tcp4", stock.Addr.String()) },
			CPU:   func() (time.Duration, error) { return ProcessCPU(stock.cmd.Process.Pid) },
			Conns: 1, // takes a core
		}
	})
}

// What is measured is time at work.
func TestProcessCPU(t *testing.T) {
	before, err := ProcessCPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	const work = 200 * time.Millisecond
	for after := before; after < before+work; {
		if after, err = ProcessCPU(os.Getpid()); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := ProcessCPU(-1); err == nil {
		t.Errorf("no process: %v", got)
	}
}
