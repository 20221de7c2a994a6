package relay_test

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/pion/stun/v3"

	"turnpike/relay"
	"turnpike/relay/relaytest"
)

// Sessions come and go by the thousand and leave nothing: no goroutine, no
// descriptor, no port, no account.
func TestNothingIsLeftOfTenThousandSessions(t *testing.T) { onSockets(t, nothingIsLeft) }

func nothingIsLeft(t *testing.T, open func(testing.TB, setup) *bed) {
	b := open(t, onBothPorts(1000, 1000))
	const workers, each = 4, 2500
	churn(b, workers, 20) // pools and maps have grown
	goroutines, files, ports := runtime.NumGoroutine(), descriptors(t), b.server.Stats().RelayPortsFree
	churn(b, workers, each)
	// A relay's reader ends just after its socket: let it.
	for i := 0; runtime.NumGoroutine() > goroutines && i < 1e6; i++ {
		runtime.Gosched()
	}
	if n := runtime.NumGoroutine(); n > goroutines {
		t.Errorf("%d goroutines, then %d", goroutines, n)
	}
	if n := descriptors(t); n != files {
		t.Errorf("%d descriptors, then %d", files, n)
	}
	st := b.server.Stats()
	if st.RelayPortsFree != ports || st.EngineQueue != 0 {
		t.Errorf("%d relay ports free, then %d; %d waiting", ports, st.RelayPortsFree, st.EngineQueue)
	}
	b.live("udp", 0, 0)
	if st.AllocationsTotal["success"] != workers*(each+20) {
		t.Errorf("%d sessions, want %d", st.AllocationsTotal["success"], workers*(each+20))
	}
}

// churn makes and ends sessions with everything a session can have.
func churn(b *bed, workers, each int) {
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			c := b.raw("churn")
			defer c.Conn.Close()
			c.Timeout = time.Minute
			for n := range each {
				if err := oneSession(c, n%2 == 0); err != nil {
					b.t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	for range workers * each {
		if b.t.Failed() {
			return
		}
		if r := <-b.ended; r.Why != relay.EndClient || r.PacketsToPeer != 1 || r.PacketsToClient != 1 {
			b.t.Errorf("%+v", r)
		}
	}
}

// oneSession has its own relayed address for a peer, of two the second, so that data
// goes round.
func oneSession(c *relaytest.Client, dual bool) error {
	var want []stun.Setter
	if dual {
		want = append(want, both)
	}
	r, err := c.Allocate(want...)
	if err != nil || !r.OK() || r.Additional.IsValid() != dual {
		return fmt.Errorf("Allocate: %v %w", r, err)
	}
	peer := r.Relayed
	if dual {
		peer = r.Additional
	}
	if r, err = c.ChannelBind(0x4000, peer); err != nil || !r.OK() {
		return fmt.Errorf("ChannelBind: %v %w", r, err)
	}
	if err := c.SendChannel(0x4000, []byte("round")); err != nil {
		return err
	}
	if d, err := c.Receive(); err != nil || string(d.Payload) != "round" {
		return fmt.Errorf("received %+v %w", d, err)
	}
	if r, err = c.Refresh(0); err != nil || !r.OK() {
		return fmt.Errorf("Refresh: %v %w", r, err)
	}
	return nil
}

func descriptors(t *testing.T) int {
	entries, err := os.ReadDir("/dev/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
