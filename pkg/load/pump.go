package load

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// silence is when a closed loop gives up what it has sent; watching is how
	// often it is looked at.
	silence  = 20 * time.Millisecond
	watching = 5 * time.Millisecond
	// shortest is the least that the pacer sleeps: more often, sleeping costs
	// more than sending.
	shortest = 50 * time.Microsecond
	// stragglers is how long the end of a run waits for what is under way.
	stragglers = 500 * time.Millisecond
)

// phase is what happened while packets went.
type phase struct {
	seconds float64
	process sample // what the server used; its memory at the end
	own     sample // what this process used
	arrived uint64 // packets, or answers
	unsent  int64  // what the pacer was too late for
}

// pump has packets go in the active directions, for the warm-up and the
// measured time or until ctx ends, and waits for stragglers.
func (b *bench) pump(ctx context.Context) phase {
	active := b.active()
	measure := func() (process, own sample, begin int64) {
		for _, d := range active {
			d.measure()
		}
		return b.sample(), ownSample(), b.now()
	}
	before, own, begin := measure()
	stop := b.startSending(active)
	if b.o.Warmup > 0 {
		wait(ctx, b.o.Warmup)
		before, own, begin = measure()
	}
	wait(ctx, b.o.Duration)
	p := phase{seconds: float64(b.now()-begin) / 1e9}
	for _, d := range active {
		p.arrived += d.count()
	}
	p.process, p.own = b.sample().since(before), ownSample().since(own)
	stop()
	for _, d := range active {
		p.unsent += d.unsent.Load()
	}
	b.drain(active)
	return p
}

// wait returns after so long, or when ctx ends.
func wait(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// startSending begins; stop ends it, and returns when nothing is sent any more
// but by who is just at it.
func (b *bench) startSending(active []*direction) (stop func()) {
	var sender sync.WaitGroup
	var stopping atomic.Bool
	now := b.now()
	for i, d := range active {
		d.pace = pace{rate: b.o.Rate / float64(len(active)), start: now}
		if i > 0 && b.o.Rate > 0 { // in turn, not both at once
			d.pace.start += int64(1e9 / b.o.Rate * float64(b.o.Burst))
		}
		d.start(now)
	}
	if b.o.Rate > 0 {
		sender.Go(func() { b.runPace(active, &stopping) })
	} else {
		sender.Go(func() { b.runWatch(active, &stopping) })
	}
	return func() {
		stopping.Store(true)
		sender.Wait()
		for _, d := range active {
			d.stop()
		}
	}
}

// runPace sends by the clock.
func (b *bench) runPace(active []*direction, stopping *atomic.Bool) {
	k, s := b.desks.get(), newSleeper()
	defer b.desks.put(k)
	defer s.close()
	for !stopping.Load() {
		idle, now := watching, b.now()
		for _, d := range active {
			packets, late, after := d.pace.due(now)
			d.unsent.Add(int64(late))
			if packets > 0 {
				packets = (packets + d.burst - 1) / d.burst * d.burst
				d.pace.took(packets)
				d.sendDue(k, packets)
				idle = 0
				continue
			}
			idle = min(idle, after)
		}
		switch {
		case idle <= 0:
		case b.yield != nil:
			b.yield()
		default:
			s.sleep(max(idle, shortest))
		}
	}
	for _, d := range active { // what it was too late for when it was stopped
		if packets, late, _ := d.pace.due(b.now()); late > 0 {
			d.unsent.Add(int64(packets + late))
		}
	}
}

// runWatch lets out the first packets of a closed loop, and those after a stall.
func (b *bench) runWatch(active []*direction, stopping *atomic.Bool) {
	k := b.desks.get()
	defer b.desks.put(k)
	again := time.NewTicker(watching)
	defer again.Stop()
	for !stopping.Load() {
		for _, d := range active {
			d.reopen(b.now(), silence)
			d.refill(k)
		}
		<-again.C
	}
}

// drain waits for what is under way: until all is there, or nothing has come for
// a while. That is told by ticks, which a process gets as little as packets when
// it does not get to run.
func (b *bench) drain(active []*direction) {
	again := time.NewTicker(watching)
	defer again.Stop()
	for quiet, before := 0, uint64(0); quiet < int(stragglers/watching); quiet++ {
		missing, arrived := uint64(0), uint64(0)
		for _, d := range active {
			m, a := d.missing()
			missing, arrived = missing+m, arrived+a
		}
		if missing == 0 {
			return
		}
		if arrived != before {
			before, quiet = arrived, 0
		}
		<-again.C
	}
}
