package mmsg

import (
	"net/netip"
	"runtime"
	"testing"

	"turnpike/relay/dataplane"
)

func TestSomeClients(t *testing.T) {
	var table clients
	table.init()
	var all [2]dataplane.Client
	var sockets [2]socket
	for i := range all {
		all[i].Addr = netip.AddrPortFrom(netip.IPv6Loopback(), uint16(i))
		if table.some.Load() != (i > 0) {
			t.Errorf("with %d clients there are some: %v", i, i == 0)
		}
		table.add(all[i], &sockets[i])
	}
	for i := range all {
		if !table.some.Load() {
			t.Errorf("with %d clients there are none", 2-i)
		}
		table.remove(all[i], &sockets[i])
	}
	if table.some.Load() {
		t.Error("without a client there are some")
	}
}

// A worker waits in the runtime's poller while there are stream clients, and
// blocks its thread otherwise. Events are told either way.
func TestWaitsAsStreamsDo(t *testing.T) {
	p := newPlane(t, Options{Workers: 1})
	w, err := newWorker(p, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	for _, streams := range []bool{false, true, true, false, true} {
		p.streams.some.Store(streams)
		told := make(chan int)
		go func() {
			n, err := w.await(-1)
			if err != nil {
				t.Error(err)
			}
			told <- n
		}()
		runtime.Gosched()
		w.stop()
		if n := <-told; n != 1 {
			t.Errorf("streams %v: %d events, want 1", streams, n)
		}
		if (w.poller.file != nil) != streams {
			t.Errorf("streams %v: open to the runtime is %v", streams, !streams)
		}
		if n, err := w.await(0); n != 0 || err != nil {
			t.Errorf("streams %v: %d events are left, %v", streams, n, err)
		}
	}
}
