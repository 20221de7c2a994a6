package engine

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// blocked makes an engine whose pion is inside a start until the returned
// function is called.
func blocked(t *testing.T, o Options) (e *Engine, release func()) {
	t.Helper()
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	gate, inside := make(chan struct{}), make(chan struct{})
	e.Submit(func() (Request, bool) {
		close(inside)
		<-gate
		return Request{}, false
	}, func(Result) { t.Error("done of a declined request ran") })
	<-inside
	return e, func() { close(gate) }
}

func TestSubmitFull(t *testing.T) {
	e, release := blocked(t, Options{Queue: 3})
	var ran []int
	l, _ := legOf(e, relay4)
	put := func(i int) bool {
		return e.Submit(
			func() (Request, bool) { ran = append(ran, i); return allocate(l, time.Minute), true },
			func(Result) { ran = append(ran, -i) })
	}
	for i := 1; i <= 3; i++ {
		if !put(i) {
			t.Errorf("place %d of 3 refused", i)
		}
	}
	if put(4) {
		t.Error("a fourth request fitted into three places")
	}
	if n := e.Depth(); n != 3 {
		t.Errorf("Depth is %d", n)
	}
	release()
	closeChecked(t, e)
	wantOrder := []int{1, -1, 2, -2, 3, -3}
	if len(ran) != len(wantOrder) {
		t.Fatalf("ran %v, want %v", ran, wantOrder)
	}
	for i := range ran {
		if ran[i] != wantOrder[i] {
			t.Fatalf("ran %v, want %v", ran, wantOrder)
		}
	}
}

func TestSubmitDecline(t *testing.T) {
	e := newEngine(t, Options{})
	l, _ := legOf(e, relay4)
	want(t, e, allocate(l, time.Minute), Result{Lifetime: time.Minute, Relayed: relay4})
	before := e.Logged(LevelDebug)
	served := make(chan struct{})
	e.Submit(func() (Request, bool) { return refresh(l, 0), false },
		func(Result) { t.Error("done of a declined request ran") })
	e.Submit(func() (Request, bool) { close(served); return Request{}, false }, nil)
	<-served
	if e.Logged(LevelDebug) != before {
		t.Error("pion heard of a declined request")
	}
	want(t, e, permit(l, peerA), Result{})
}

// TestSubmitFromDone: a completion may queue the next request.
func TestSubmitFromDone(t *testing.T) {
	e := newEngine(t, Options{})
	l, closed := legOf(e, relay4)
	end := make(chan Result)
	e.Submit(func() (Request, bool) { return allocate(l, time.Minute), true }, func(r Result) {
		if !r.OK() {
			t.Errorf("allocate: %+v", r)
		}
		e.Submit(func() (Request, bool) { return refresh(l, 0), true },
			func(r Result) { end <- r })
	})
	if r := <-end; r != (Result{}) || closed.Load() != 1 {
		t.Errorf("got %+v, closed %d times", r, closed.Load())
	}
}

// TestConcurrent: every accepted submission is started and, unless declined,
// done exactly once, each submitter's in order, while others wait in Do and the
// engine is closed under them.
func TestConcurrent(t *testing.T) {
	e, err := New(Options{Queue: 8})
	if err != nil {
		t.Fatal(err)
	}
	c := &crowd{t: t, e: e}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(c.submit)
		wg.Go(c.do)
	}
	for c.done.Load() < 2000 || c.opened.Load() < 500 {
		l, _ := legOf(e, relay4)
		e.Do(permit(l, peerA))
	}
	closeChecked(t, e)
	wg.Wait()
	if a, s, d := c.accepted.Load(), c.started.Load(), c.done.Load()+c.declined.Load(); a != s || s != d {
		t.Errorf("%d accepted, %d started, %d done or declined", a, s, d)
	}
	if o, c := c.opened.Load(), c.closed.Load(); o != c {
		t.Errorf("%d legs opened, %d closed", o, c)
	}
}

type crowd struct {
	t                                 *testing.T
	e                                 *Engine
	accepted, started, declined, done atomic.Int64
	opened, closed                    atomic.Int64
}

// submit queues requests until the engine is closed.
func (c *crowd) submit() {
	last := -1 // pion's goroutine's alone
	for i := 0; ; i++ {
		start := func() (Request, bool) {
			c.started.Add(1)
			if i <= last {
				c.t.Errorf("request %d started after %d", i, last)
			}
			last = i
			if i%3 == 0 {
				c.declined.Add(1)
				return Request{}, false
			}
			return refresh(c.e.NewLeg(nil, nil), time.Minute), true
		}
		done := func(r Result) {
			c.done.Add(1)
			if !r.Unanswered || last != i {
				c.t.Errorf("request %d, the last started was %d: %+v", i, last, r)
			}
		}
		if c.e.Submit(start, done) {
			c.accepted.Add(1)
		} else if c.e.isClosed() {
			return
		}
	}
}

// do opens legs, and ends every other, until the engine is closed.
func (c *crowd) do() {
	for i := 0; ; i++ {
		l := c.e.NewLeg(
			func() (netip.AddrPort, error) { c.opened.Add(1); return relay4, nil },
			func() { c.closed.Add(1) })
		r, err := c.e.Do(allocate(l, time.Minute))
		if err == nil && !r.OK() {
			c.t.Errorf("allocate: %+v", r)
		}
		if err == nil && i%2 == 0 {
			_, err = c.e.Do(refresh(l, 0))
		}
		if errors.Is(err, ErrClosed) {
			return
		}
	}
}

// TestClose: what was queued is served, what is still open is closed, what
// comes later is refused, and twice is no harm.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, release := blocked(t, Options{Queue: 4})
		l, closed := legOf(e, relay4)
		var got Result
		e.Submit(func() (Request, bool) { return allocate(l, time.Minute), true }, func(r Result) { got = r })
		for range 2 {
			go func() { closeChecked(t, e) }()
		}
		synctest.Wait()
		if e.Submit(func() (Request, bool) { return Request{}, false }, nil) {
			t.Error("Submit after Close was accepted")
		}
		want(t, e, refresh(l, time.Minute), Result{Err: ErrClosed})
		if closed.Load() != 0 {
			t.Error("closed ran before the leg was opened")
		}
		release()
		closeChecked(t, e)
		if got != (Result{Lifetime: time.Minute, Relayed: relay4}) || closed.Load() != 1 {
			t.Errorf("queued Allocate: %+v, closed %d times", got, closed.Load())
		}
		want(t, e, refresh(l, time.Minute), Result{Err: ErrClosed})
	})
}

// TestCloseBesideWaiting: a Do that waits for a place when the engine is closed
// comes back, served or not.
func TestCloseBesideWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, release := blocked(t, Options{Queue: 1})
		var wg sync.WaitGroup
		var served, refused atomic.Int32
		call := func() {
			l, _ := legOf(e, relay4)
			_, err := e.Do(permit(l, peerA))
			switch {
			case err == nil:
				served.Add(1)
			case errors.Is(err, ErrClosed):
				refused.Add(1)
			default:
				t.Error(err)
			}
		}
		for range 5 {
			wg.Go(call)
		}
		synctest.Wait()
		wg.Go(func() { closeChecked(t, e) })
		synctest.Wait()
		release()
		wg.Wait()
		if served.Load() != 5 || refused.Load() != 0 {
			t.Errorf("%d served, %d refused: those before Close are served", served.Load(), refused.Load())
		}
		wg.Go(call)
		wg.Wait()
		if refused.Load() != 1 {
			t.Error("Do after Close was not refused")
		}
	})
}

// TestCloseWaits: Close waits for a closed call that is under way on another
// goroutine than pion's loop.
func TestCloseWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _ := New(Options{})
		gate := make(chan struct{})
		l := e.NewLeg(func() (netip.AddrPort, error) { return relay4, nil }, func() { <-gate })
		want(t, e, allocate(l, time.Second), Result{Lifetime: time.Second, Relayed: relay4})
		time.Sleep(61 * time.Second) // pion's timer ends the leg
		synctest.Wait()
		var back atomic.Bool
		go func() {
			closeChecked(t, e, FaultExpired)
			back.Store(true)
		}()
		synctest.Wait()
		if back.Load() {
			t.Error("Close returned before closed did")
		}
		close(gate)
		synctest.Wait()
		if !back.Load() {
			t.Error("Close did not return")
		}
	})
}

func TestStalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, release := blocked(t, Options{})
		time.Sleep(7 * time.Second)
		if d := e.Stalled(time.Now()); d != 7*time.Second {
			t.Errorf("stalled for %v, want 7 s", d)
		}
		release()
		synctest.Wait()
		if d := e.Stalled(time.Now()); d != 0 {
			t.Errorf("idle, but stalled for %v", d)
		}
		closeChecked(t, e)
	})
}

// TestNext: what a done asks for comes before what waits, and finds room in a full
// queue.
func TestNext(t *testing.T) {
	e, release := blocked(t, Options{Queue: 2})
	first, _ := legOf(e, relay4)
	second, _ := legOf(e, relay6)
	var ran []string
	step := func(name string, q Request, done func(Result)) (func() (Request, bool), func(Result)) {
		return func() (Request, bool) { ran = append(ran, name); return q, true }, func(r Result) {
			if ran = append(ran, name+" done"); !r.OK() {
				t.Errorf("%s: %+v", name, r)
			}
			if done != nil {
				done(r)
			}
		}
	}
	e.Submit(step("first", allocate(first, time.Minute), func(Result) {
		e.Next(step("next", allocate(second, time.Minute), func(Result) {
			e.Next(func() (Request, bool) { ran = append(ran, "declined"); return Request{}, false }, nil)
		}))
	}))
	if !e.Submit(step("queued", refresh(first, time.Minute), nil)) || e.Submit(nil, nil) {
		t.Fatal("the queue does not hold two")
	}
	release()
	closeChecked(t, e)
	if want := "[first first done next next done declined queued queued done]"; fmt.Sprint(ran) != want {
		t.Errorf("ran %v, want %v", ran, want)
	}
}
