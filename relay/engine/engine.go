package engine

import (
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"github.com/pion/turn/v4"
)

const (
	defaultQueue = 1024
	maxQueue     = 1 << 20

	// maxSlack is also the default: as near to a minute as MaxLifetime leaves
	// room for.
	maxSlack = wireLimit - MaxLifetime
)

// Options of an Engine. The zero value is good.
type Options struct {
	// Queue is how many requests may wait for pion; default 1024, at most
	// 1<<20.
	Queue int
	// Slack is added to every lifetime that pion is given, and rounded up to
	// whole seconds. Default, and at most, 59 s. It must outlast the longest
	// stall of the process: pion's own lifetime timer firing on a session that
	// takes requests can end the process (see the package comment).
	Slack time.Duration
	// Now is the clock, default time.Now. It tells the age of pion's nonce, the
	// end of a leg and how long pion takes, and must run as the clock of the
	// runtime's timers does.
	Now func() time.Time
}

func (o *Options) validate() error {
	if o.Queue == 0 {
		o.Queue = defaultQueue
	}
	if o.Slack == 0 {
		o.Slack = maxSlack
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Queue < 0 || o.Queue > maxQueue {
		return fmt.Errorf("engine: Options.Queue is %d: give 1 to %d, or 0 for %d", o.Queue, maxQueue, defaultQueue)
	}
	if o.Slack < 0 || o.Slack > maxSlack {
		return fmt.Errorf("engine: Options.Slack is %v: give more than 0 and at most %v, or 0 for that", o.Slack, maxSlack)
	}
	return nil
}

// Engine is one pion server (a shard) as a function. Its methods may be called
// from any goroutine, but see the package comment for what its callbacks must
// not do.
type Engine struct {
	door    *door
	waiters sync.Pool // of *waiter

	mu     sync.RWMutex // guards closed, and that nothing is queued after it
	closed bool
}

// New starts an engine.
func New(o Options) (*Engine, error) { return start(o, turn.EventHandler{}) }

// start lets tests watch pion's events. Some run under pion's locks
// (pion internal/allocation/allocation.go:107-114), so New installs none.
func start(o Options, events turn.EventHandler) (*Engine, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	key := make([]byte, keySize)
	rand.Read(key) // never fails
	d := &door{
		jobs:  make(chan job, o.Queue),
		left:  make(chan struct{}),
		now:   o.Now,
		slack: o.Slack,
		key:   key,
		codec: newCodec(key),
		local: pseudoAddr(0),
	}
	server, err := turn.NewServer(turn.ServerConfig{
		PacketConnConfigs: []turn.PacketConnConfig{{PacketConn: d, RelayAddressGenerator: generator{d}}},
		LoggerFactory:     &d.logs,
		Realm:             realm,
		AuthHandler:       d.auth,
		EventHandler:      events,
		InboundMTU:        maxMessage + 1, // pion drops n >= InboundMTU (pion server.go:224)
	})
	if err != nil {
		return nil, fmt.Errorf("engine: starting pion: %w", err)
	}
	d.server = server
	e := &Engine{door: d}
	e.waiters.New = func() any { return newWaiter() }
	return e, nil
}

// Submit queues a request and never waits. False means the queue is full or the
// engine closed, and nothing will be called.
//
// True means start is called once, on pion's goroutine, just before pion would
// see the request: what it decides on is the state that pion is about to
// change. If it declines with false, that is the end of it. Otherwise done is
// called once, on the same goroutine and before the next request's start.
// Requests are served in the order they were queued.
func (e *Engine) Submit(start func() (Request, bool), done func(Result)) bool {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.closed {
		return false
	}
	select {
	case e.door.jobs <- job{start: start, done: done}:
		return true
	default:
		return false
	}
}

// Next is Submit for who is in a done, once: the request is served right after
// that, before anything in the queue, and always. So a request of a client that
// concerns two legs is one step, and can't be left half done for want of a place.
func (e *Engine) Next(start func() (Request, bool), done func(Result)) {
	e.door.next = job{start: start, done: done}
}

// Do is Submit and a wait: for a place in the queue, if it is full, and for the
// result. The error is Result.Err.
func (e *Engine) Do(r Request) (Result, error) {
	if e.isClosed() {
		return Result{Err: ErrClosed}, ErrClosed
	}
	w := e.waiters.Get().(*waiter)
	w.request = r
	select {
	case e.door.jobs <- w.job:
	case <-e.door.left:
		return Result{Err: ErrClosed}, ErrClosed
	}
	select {
	case <-w.ready:
	case <-e.door.left:
		// Whatever was queued before Close's mark is ready by now; what came
		// after it is never served, and its waiter never used again.
		select {
		case <-w.ready:
		default:
			return Result{Err: ErrClosed}, ErrClosed
		}
	}
	res := w.result
	w.request, w.result = Request{}, Result{}
	e.waiters.Put(w)
	return res, res.Err
}

// Stalled is how long pion, or a callback of the request it is at, has been
// busy with that one request at the time now; 0 if it is idle. It can not be
// helped from here: seconds mean the process should no longer count as ready.
func (e *Engine) Stalled(now time.Time) time.Duration {
	since := e.door.since.Load()
	if since == 0 {
		return 0
	}
	return max(0, time.Duration(now.UnixNano()-since))
}

// Depth is how many requests wait.
func (e *Engine) Depth() int { return len(e.door.jobs) }

// Faults is how often f was seen. All are 0 while pion does as it was read.
func (e *Engine) Faults(f Fault) uint64 { return e.door.faults[f].Load() }

// Logged is how many messages pion would have logged at a level.
func (e *Engine) Logged(l Level) uint64 { return e.door.logs.count[l].Load() }

// Close ends the engine. What was queued before is served first; then every leg
// still open gets its closed call. On return nothing of pion runs any more. The
// error is always nil. Close must not be called from a callback.
func (e *Engine) Close() error {
	if e.markClosed() {
		e.door.jobs <- job{last: true}
	}
	<-e.door.left
	e.door.legs.Wait()
	e.door.handlers.Wait()
	// The last leg's closed call ran inside pion's Manager.Close, under the lock
	// that this takes: what pion still has to do when it returns is to return.
	e.door.server.AllocationCount()
	return nil
}

func (e *Engine) isClosed() bool {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.closed
}

// markClosed keeps out further requests. True: this is the first call.
func (e *Engine) markClosed() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	first := !e.closed
	e.closed = true
	return first
}

// waiter is one Do under way. It is reused, so that Do itself allocates
// nothing.
type waiter struct {
	request Request
	result  Result
	ready   chan struct{}
	job     job
}

func newWaiter() *waiter {
	w := &waiter{ready: make(chan struct{}, 1)}
	w.job = job{
		start: func() (Request, bool) { return w.request, true },
		done: func(r Result) {
			w.result = r
			w.ready <- struct{}{}
		},
	}
	return w
}
