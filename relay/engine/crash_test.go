package engine

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// stockVictim in the environment makes the test binary a stock pion server
// under the flood of one client.
const stockVictim = "TURNPIKE_STOCK_VICTIM"

const (
	victimLimit  = 60 * time.Second
	victimReport = 10 // expiries a line
)

// TestStockCrashes is the negative control of those below: pion without the
// engine dies of a client that adds permissions while its allocations, of one
// second, expire.
func TestStockCrashes(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), victimLimit+30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), stockVictim+"=1")
	began := time.Now()
	out, err := cmd.CombinedOutput()
	if err == nil || ctx.Err() != nil {
		t.Fatalf("the stock server lived for %v: the flood proves nothing about the engine\n%s", time.Since(began), tail(out))
	}
	for _, sign := range []string{"nil pointer dereference", "allocation.(*Allocation).Close", "allocation.(*Manager).DeleteAllocation"} {
		if !bytes.Contains(out, []byte(sign)) {
			t.Errorf("died of something else: no %q in\n%s", sign, tail(out))
		}
	}
	t.Logf("died after %v and about %d expiries", time.Since(began).Round(time.Millisecond),
		victimReport*bytes.Count(out, []byte("more expired\n")))
}

func tail(b []byte) []byte { return b[max(0, len(b)-4000):] }

// runStockVictim opens an allocation of one second every two milliseconds, and
// floods each with new peers around its end.
func runStockVictim() {
	const every = 2 * time.Millisecond
	f := &victim{began: time.Now(), every: every}
	s, err := startStock(f.next)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	s.end.Wait()
	fmt.Fprintln(os.Stderr, "survived")
}

type victim struct {
	began         time.Time
	every         time.Duration
	opened, peers uint32
	openedAt      []time.Time
	oldest        int // the allocation that expires next
}

func (f *victim) next(s *stock) ([]byte, *net.UDPAddr) {
	for time.Since(f.began) < victimLimit {
		now := time.Now()
		if now.Sub(f.began) >= time.Duration(f.opened)*f.every {
			f.opened++
			f.openedAt = append(f.openedAt, now)
			return s.request(Request{Method: Allocate}, 1), pseudoAddr(uint64(f.opened))
		}
		for f.oldest < len(f.openedAt) && now.Sub(f.openedAt[f.oldest]) > time.Second+f.every/2 {
			f.oldest++
			if f.oldest%victimReport == 0 {
				fmt.Fprintln(os.Stderr, "more expired")
			}
		}
		if f.oldest < len(f.openedAt) && now.Sub(f.openedAt[f.oldest]) > time.Second-f.every/20 {
			return s.request(Request{Method: CreatePermission, Peers: newPeers(&f.peers, 4)}, 0), pseudoAddr(uint64(f.oldest) + 1)
		}
	}
	return nil, nil
}

// newPeers makes n peers that were never seen.
func newPeers(counter *uint32, n uint32) []netip.AddrPort {
	last := atomic.AddUint32(counter, n)
	peers := make([]netip.AddrPort, n)
	for i := range peers {
		var ip [4]byte
		binary.BigEndian.PutUint32(ip[:], last-uint32(i))
		peers[i] = netip.AddrPortFrom(netip.AddrFrom4(ip), 1)
	}
	return peers
}

// flood is that client at the engine.
type flood struct {
	e              *Engine
	peers          uint32
	opened, closed atomic.Int32
	twice          atomic.Int32
	granted        atomic.Int32 // CreatePermissions that pion took
}

func (f *flood) leg() *Leg {
	var once atomic.Bool
	return f.e.NewLeg(
		func() (netip.AddrPort, error) { f.opened.Add(1); return relay4, nil },
		func() {
			if !once.CompareAndSwap(false, true) {
				f.twice.Add(1)
			}
			f.closed.Add(1)
		})
}

// permit asks for new peers until the leg is over.
func (f *flood) permit(t *testing.T, l *Leg) {
	for {
		r, err := f.e.Do(permit(l, newPeers(&f.peers, 4)...))
		if err != nil || r.Code != 0 {
			t.Errorf("CreatePermission: %+v, %v", r, err)
		}
		if r.Unanswered || err != nil {
			return
		}
		f.granted.Add(1)
	}
}

// TestFloodAtEnd: thousands of sessions end at their granted time, the client
// asking for new peers all the while. A crash ends the test binary.
func TestFloodAtEnd(t *testing.T) {
	const granted, slack, legs = 500 * time.Millisecond, 500 * time.Millisecond, 3000
	e, err := New(Options{Slack: slack})
	if err != nil {
		t.Fatal(err)
	}
	f := &flood{e: e}
	var sessions sync.WaitGroup
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for range legs {
		<-tick.C
		l := f.leg()
		want(t, e, allocate(l, granted), Result{Lifetime: granted, Relayed: relay4})
		sessions.Add(2)
		time.AfterFunc(granted-time.Millisecond, func() { f.permit(t, l); sessions.Done() })
		time.AfterFunc(granted, func() { want(t, e, refresh(l, 0), Result{}); sessions.Done() })
	}
	sessions.Wait()
	f.report(t, legs)
	e.Close()
	t.Logf("pion's timer was first %d times", e.Faults(FaultExpired))
}

// TestFloodWithoutEnd: the same if the caller forgets to end its legs. The
// engine keeps the flood from pion before pion's timers fire.
func TestFloodWithoutEnd(t *testing.T) {
	const granted, slack, legs = 300 * time.Millisecond, 700 * time.Millisecond, 1000
	e, err := New(Options{Slack: slack})
	if err != nil {
		t.Fatal(err)
	}
	f := &flood{e: e}
	var sessions sync.WaitGroup
	for range legs {
		l := f.leg()
		want(t, e, allocate(l, granted), Result{Lifetime: granted, Relayed: relay4})
		sessions.Go(func() {
			timer := time.NewTimer(granted - 10*time.Millisecond)
			<-timer.C
			for l.state.Load() == legOpen { // until pion's timer fires
				f.permit(t, l)
			}
		})
	}
	sessions.Wait()
	e.door.legs.Wait()
	f.report(t, legs)
	closeChecked(t, e, FaultExpired)
	if n := e.Faults(FaultExpired); n != legs {
		t.Errorf("pion's timer ended %d of %d legs", n, legs)
	}
}

// TestFloodFakeTime: the flood is at the very instants, of the granted end and
// of pion's timer.
func TestFloodFakeTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const granted, legs = 600 * time.Second, 2000
		e, _ := New(Options{})
		f := &flood{e: e}
		var sessions sync.WaitGroup
		for i := range legs {
			time.Sleep(time.Second)
			l := f.leg()
			want(t, e, allocate(l, granted), Result{Lifetime: granted, Relayed: relay4})
			sessions.Go(func() {
				time.Sleep(granted - time.Second)
				for range 20 { // before, at and after the granted end
					if r, _ := e.Do(permit(l, newPeers(&f.peers, 4)...)); r.OK() {
						f.granted.Add(1)
					}
					time.Sleep(100 * time.Millisecond)
				}
				time.Sleep(maxSlack - time.Second)
				f.permit(t, l) // at the instant of pion's timer
			})
			if i%2 == 0 { // the others are left to pion
				sessions.Go(func() {
					time.Sleep(granted)
					want(t, e, refresh(l, 0), Result{})
				})
			}
		}
		sessions.Wait()
		synctest.Wait()
		f.report(t, legs)
		closeChecked(t, e, FaultExpired)
		if n := e.Faults(FaultExpired); n != legs/2 {
			t.Errorf("pion's timer ended %d legs, want %d", n, legs/2)
		}
	})
}

func (f *flood) report(t *testing.T, legs int32) {
	t.Helper()
	if o, c, w := f.opened.Load(), f.closed.Load(), f.twice.Load(); o != legs || c != legs || w != 0 {
		t.Errorf("%d legs: %d opened, %d closed, %d of them twice", legs, o, c, w)
	}
	if f.granted.Load() == 0 {
		t.Error("no flood")
	}
	t.Logf("%d ends, %d floods", f.closed.Load(), f.granted.Load())
}
