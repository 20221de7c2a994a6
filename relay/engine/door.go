package engine

import (
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/turn/v4"
)

// nonceAge is when pion's nonce is fetched anew. pion honours one for an hour
// (pion internal/server/short_nonce.go:115).
const nonceAge = 30 * time.Minute

// job is one place in the queue.
type job struct {
	start func() (Request, bool)
	done  func(Result)
	last  bool // the mark of Close
}

// door is the packet connection that pion reads its requests from and writes
// its answers to. pion serves one at a time on one goroutine, and everything
// it does between two calls of ReadFrom belongs to the request that the first
// returned.
type door struct {
	noDeadlines
	jobs  chan job
	left  chan struct{} // closed when pion has left ReadFrom for good
	now   func() time.Time
	slack time.Duration
	key   []byte
	local *net.UDPAddr
	// server is set before the first job is queued.
	server *turn.Server

	since    atomic.Int64 // start of the present request, Unix ns; 0: idle
	closing  atomic.Bool
	counter  atomic.Uint64  // of legs
	legs     sync.WaitGroup // one for each open leg
	handlers sync.WaitGroup // one for each packetHandler of pion not yet gone
	faults   faults
	logs     logs

	// The following are pion's goroutine's alone.
	codec   codec
	nonce   string
	nonceAt time.Time
	serial  uint64 // transaction id of the last message
	busy    bool   // x is under way
	x       exchange
	next    job // goes before the queue; see Engine.Next
}

// exchange is the request that pion is serving.
type exchange struct {
	request  Request
	done     func(Result)
	now      time.Time // when it began
	probe    bool      // the message is a bare Refresh, for a nonce
	again    bool      // the request is sent for the second time
	answered bool
	bad      bool // the answer is not one to this request
	answer   answer
}

// ReadFrom hands pion its next message. That pion calls it is how a request is
// known to be done: some get no answer.
func (d *door) ReadFrom(p []byte) (int, net.Addr, error) {
	if d.busy && d.unfinished() {
		return d.send(p)
	}
	for {
		d.since.Store(0)
		j := d.take()
		if j.last {
			// An error ends pion's loop (pion server.go:220-223), which then
			// closes every allocation on this same goroutine.
			d.closing.Store(true)
			close(d.left)
			return 0, nil, net.ErrClosed
		}
		if d.begin(j) {
			return d.send(p)
		}
	}
}

// take waits for the next job.
func (d *door) take() job {
	if j := d.next; j.start != nil {
		d.next = job{}
		return j
	}
	return <-d.jobs
}

// begin takes a job up. False: pion is not needed for it.
func (d *door) begin(j job) bool {
	d.since.Store(d.now().UnixNano())
	req, ok := j.start()
	if !ok {
		return false
	}
	if err := d.check(&req); err != nil {
		j.done(Result{Err: err})
		return false
	}
	// Read after start, however long that took: a request that began in time
	// has the whole slack to be done before pion's timer fires.
	now := d.now()
	if req.Method != Allocate && !req.ends() && req.Leg.over(now) {
		j.done(Result{Unanswered: true})
		return false
	}
	if req.ends() {
		req.Leg.ending.Store(true)
	}
	d.busy = true
	d.x = exchange{request: req, done: j.done, now: now}
	d.x.probe = d.nonce == "" || now.Sub(d.nonceAt) >= nonceAge
	return true
}

func (d *door) check(req *Request) error {
	if req.Leg == nil || req.Leg.door != d {
		return ErrLeg
	}
	if req.Method == Allocate && req.Leg.state.Load() == legEnded {
		return ErrLeg
	}
	return req.check()
}

// send writes the message that the exchange needs next.
func (d *door) send(p []byte) (int, net.Addr, error) {
	x := &d.x
	x.answered = false
	d.serial++
	var b []byte
	if x.probe {
		b = appendProbe(p[:0], d.serial)
	} else {
		b = d.codec.appendRequest(p[:0], &x.request, wireSeconds(x.request.Lifetime, d.slack), d.serial, d.nonce)
	}
	return len(b), &x.request.Leg.addr, nil
}

// WriteTo takes pion's answer. Only pion's loop calls it: the goroutine that
// would write relayed data has left at its first step (relay.ReadFrom).
func (d *door) WriteTo(p []byte, to net.Addr) (int, error) {
	x := &d.x
	switch {
	case !d.busy || to != net.Addr(&x.request.Leg.addr):
		d.faults.count(FaultStray)
	case x.answered:
		x.bad = true
		d.faults.count(FaultSecond)
	default:
		x.answered = true
		want := x.request.Method
		if x.probe {
			want = Refresh
		}
		var ok bool
		x.answer, ok = decode(p)
		if !ok || x.answer.serial != d.serial || x.answer.method != want {
			x.bad = true
			d.faults.count(FaultAnswer)
		}
	}
	return len(p), nil
}

// unfinished judges what pion made of the message. True: the exchange needs
// another one. False: it is done.
func (d *door) unfinished() bool {
	x := &d.x
	switch {
	case x.bad:
		d.finish(Result{Err: ErrFault})
	case x.probe:
		if !d.takeNonce(401) {
			return false
		}
		x.probe = false
		return true
	case x.answered && x.answer.code == 438 && !x.again:
		// Stale all the same: the wall clock was set. The answer brings a new
		// one (RFC 8489 §9.2.4).
		x.again = true
		return d.takeNonce(438)
	default:
		d.finish(d.result())
	}
	return false
}

// takeNonce keeps the nonce of an answer with the code. Without one the
// exchange fails.
func (d *door) takeNonce(code int) bool {
	a := &d.x.answer
	if !d.x.answered || a.code != code || a.nonce == "" {
		d.faults.count(FaultNonce)
		d.finish(Result{Err: ErrFault})
		return false
	}
	d.nonce, d.nonceAt = a.nonce, d.x.now
	return true
}

// result is the outcome of the exchange, from pion's answer and compared with
// what must be in it.
func (d *door) result() Result {
	x, a := &d.x, &d.x.answer
	switch {
	case !x.answered:
		return Result{Unanswered: true}
	case !a.success && (a.code == 0 || a.code == 438):
		d.faults.count(FaultAnswer)
		return Result{Err: ErrFault}
	case !a.success:
		return Result{Code: a.code}
	}
	req := &x.request
	var res Result
	if req.Method == Allocate || req.Method == Refresh {
		if !a.hasLifetime || a.lifetime != wireSeconds(req.Lifetime, d.slack) {
			d.faults.count(FaultAnswer)
			return Result{Err: ErrFault}
		}
		res.Lifetime = req.Lifetime
		req.Leg.end = x.now.Add(req.Lifetime)
	}
	if req.Method == Allocate {
		if a.relayed != req.Leg.relayed {
			d.faults.count(FaultAnswer)
			return Result{Err: ErrFault}
		}
		res.Relayed = a.relayed
	}
	if req.Method == CreatePermission || req.Method == ChannelBind {
		// pion sets a permission's timer after it let go of every lock
		// (pion internal/allocation/allocation.go:101). Taking the one that its
		// lifetime timer takes first orders the two, should that ever fire.
		d.server.AllocationCount()
	}
	return res
}

// finish ends the exchange and tells who waits for it.
func (d *door) finish(r Result) {
	done := d.x.done
	d.busy = false
	d.x = exchange{} // keep no leg alive
	done(r)
}

// auth answers pion's question for the key of a client: only of the one being
// served.
func (d *door) auth(_, _ string, from net.Addr) ([]byte, bool) {
	if !d.busy || d.x.probe || from != net.Addr(&d.x.request.Leg.addr) {
		d.faults.count(FaultAuth)
		return nil, false
	}
	return d.key, true
}

// LocalAddr is the server's side of every five-tuple.
func (d *door) LocalAddr() net.Addr { return d.local }

// Close is for turn.Server.Close, which the engine has no use for.
func (d *door) Close() error { return nil }

// noDeadlines is what net.PacketConn wants and pion never calls.
type noDeadlines struct{}

func (noDeadlines) SetDeadline(time.Time) error      { return os.ErrNoDeadline }
func (noDeadlines) SetReadDeadline(time.Time) error  { return os.ErrNoDeadline }
func (noDeadlines) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }
