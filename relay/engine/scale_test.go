package engine

import (
	"net/netip"
	"runtime"
	"testing"
	"time"
)

// TestManyLegs: no goroutine for a leg, and no memory after it.
func TestManyLegs(t *testing.T) {
	const legs = 10_000
	e := newEngine(t, Options{})
	closed := 0
	cycle := func(n int) {
		all := make([]*Leg, n)
		for i := range all {
			all[i] = e.NewLeg(func() (netip.AddrPort, error) { return relay4, nil }, func() { closed++ })
			if r, err := e.Do(allocate(all[i], time.Minute)); !r.OK() {
				t.Fatal(r, err)
			}
			e.Do(permit(all[i], peerA))
		}
		e.door.handlers.Wait() // those of pion's goroutines still at their first step
		if n == legs {
			t.Logf("open: %d goroutines, %.1f KB each leg", runtime.NumGoroutine(), heap()/1024/float64(n))
		}
		for _, l := range all {
			e.Do(refresh(l, 0))
		}
	}
	cycle(legs) // grows pion's map, which never shrinks
	closed = 0
	before, goroutines := heap(), runtime.NumGoroutine()
	cycle(legs)
	after := heap()
	if closed != legs {
		t.Errorf("%d of %d closed", closed, legs)
	}
	if n := runtime.NumGoroutine(); n > goroutines+2 {
		t.Errorf("%d goroutines after, %d before", n, goroutines)
	}
	if grown := (after - before) / legs; grown > 100 {
		t.Errorf("%.0f bytes stay of each leg", grown)
	}
	if n := e.door.server.AllocationCount(); n != 0 {
		t.Errorf("%d allocations left", n)
	}
}

// TestCloseManyLegs: Close closes all that are open, each once.
func TestCloseManyLegs(t *testing.T) {
	const legs = 2_000
	e, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	closed := make([]int, legs)
	for i := range legs {
		l := e.NewLeg(func() (netip.AddrPort, error) { return relay4, nil }, func() { closed[i]++ })
		e.Do(allocate(l, time.Minute))
		e.Do(bind(l, 0x4000, peerA))
	}
	closeChecked(t, e)
	for i, n := range closed {
		if n != 1 {
			t.Fatalf("leg %d closed %d times", i, n)
		}
	}
}

func heap() float64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}
