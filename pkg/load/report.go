package load

import "time"

// Report is what came of a run. Its JSON is described in docs/load.md.
type Report struct {
	Scenario   Scenario  `json:"scenario"`
	Server     string    `json:"server"`
	Transport  Transport `json:"transport"`
	Clients    int       `json:"clients"`
	Size       int       `json:"size,omitempty"`
	Burst      int       `json:"burst,omitempty"`
	Mode       string    `json:"mode,omitempty"` // channel or indication
	Direction  Direction `json:"direction,omitempty"`
	Peer       Peer      `json:"peer,omitempty"`
	Rate       float64   `json:"rate"`             // offered, packets a second; 0: closed loop
	Window     int       `json:"window,omitempty"` // of a closed loop
	Seconds    float64   `json:"seconds"`          // measured
	EndedEarly bool      `json:"ended_early,omitempty"`

	Up   *Flowed `json:"up,omitempty"`
	Down *Flowed `json:"down,omitempty"`

	Sent     uint64   `json:"sent"`
	Received uint64   `json:"received"`
	Lost     uint64   `json:"lost"`
	Bad      uint64   `json:"bad"`
	Loss     float64  `json:"loss"` // ratio
	PPS      float64  `json:"pps"`
	Latency  *Latency `json:"latency_us,omitempty"`
	Stalls   uint64   `json:"stalls"`
	Unsent   int64    `json:"unsent,omitempty"` // due, but the client could not keep up

	Operations uint64  `json:"operations,omitempty"`
	PerSecond  float64 `json:"per_second,omitempty"`

	Allocate *Allocated `json:"allocate,omitempty"`
	Process  *Process   `json:"process,omitempty"`
	Client   *Own       `json:"client,omitempty"`
	Faults   []string   `json:"faults,omitempty"`
}

// Flowed is what went one way.
type Flowed struct {
	Sent     uint64   `json:"sent"`
	Received uint64   `json:"received"`
	Lost     uint64   `json:"lost"`
	Bad      uint64   `json:"bad"`
	PPS      float64  `json:"pps"`
	Latency  *Latency `json:"latency_us,omitempty"`
	Jitter   float64  `json:"jitter_us"`
}

// Latency is in microseconds.
type Latency struct {
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
	Max  float64 `json:"max"`
}

// Allocated is how the allocations went.
type Allocated struct {
	OK        int            `json:"ok"`
	Failed    map[string]int `json:"failed"`
	PerSecond float64        `json:"per_second"`
	Seconds   float64        `json:"seconds"`
}

// Process is what the server process used.
type Process struct {
	CPUPerPacket     float64 `json:"cpu_us_per_packet,omitempty"`
	CPUPerOperation  float64 `json:"cpu_us_per_operation,omitempty"`
	CPUPerAllocation float64 `json:"cpu_us_per_allocation,omitempty"`
	CPUShare         float64 `json:"cpu_share"` // of one CPU
	RSSBefore        int64   `json:"rss_kb_before"`
	RSSAllocated     int64   `json:"rss_kb_allocated,omitempty"`
	RSSEnd           int64   `json:"rss_kb_end"`
}

// Own is what this process used in the measured time: one that polls uses all
// it can get.
type Own struct {
	CPUPerPacket float64 `json:"cpu_us_per_packet,omitempty"`
	CPUShare     float64 `json:"cpu_share"`
}

func microseconds(d time.Duration) float64 { return float64(d) / 1e3 }

func (h *histogram) report() *Latency {
	if h.n == 0 {
		return nil
	}
	return &Latency{
		P50: microseconds(h.quantile(.5)), P90: microseconds(h.quantile(.9)), P99: microseconds(h.quantile(.99)),
		P999: microseconds(h.quantile(.999)), Max: microseconds(time.Duration(h.max)),
	}
}

// report is of what was measured in a direction; to all is added.
func (d *direction) report(seconds float64, all *histogram) (f *Flowed, stalls uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := &d.tally
	f = &Flowed{Sent: t.sent - t.before, Received: t.received, Bad: t.bad, Latency: t.latency.report()}
	if f.Sent > f.Received {
		f.Lost = f.Sent - f.Received
	}
	if seconds > 0 {
		f.PPS = float64(t.counted) / seconds
	}
	timed := 0
	for i := range d.flows {
		if d.flows[i].timed {
			f.Jitter += float64(d.flows[i].jitter) / 16 / 1e3
			timed++
		}
	}
	f.Jitter /= float64(max(timed, 1))
	all.merge(&t.latency)
	return f, t.stalls
}

// add enters what the packets did.
func (r *Report) add(b *bench, p *phase) {
	r.Seconds, r.Unsent = p.seconds, p.unsent
	var all histogram
	for _, d := range b.active() {
		f, stalls := d.report(p.seconds, &all)
		if d == &b.up {
			r.Up = f
		} else {
			r.Down = f
		}
		r.Sent += f.Sent
		r.Received += f.Received
		r.Lost += f.Lost
		r.Bad += f.Bad
		r.PPS += f.PPS
		r.Stalls += stalls
	}
	if r.Sent > 0 {
		r.Loss = float64(r.Lost) / float64(r.Sent)
	}
	r.Latency = all.report()
	if p.own.ok {
		r.Client = &Own{perPiece(p.own.cpu, p.arrived), share(p.own.cpu, p.seconds)}
	}
	if p.process.ok {
		r.Process.CPUShare, r.Process.RSSEnd = share(p.process.cpu, p.seconds), p.process.rssKB
	}
	if b.o.Scenario == Relay {
		if p.process.ok {
			r.Process.CPUPerPacket = perPiece(p.process.cpu, p.arrived)
		}
		return
	}
	// What is asked and answered is no packet that is relayed.
	r.Operations, r.PerSecond, r.Up, r.Down = r.Received, r.PPS, nil, nil
	if p.process.ok {
		r.Process.CPUPerOperation = perPiece(p.process.cpu, p.arrived)
	}
}

func perPiece(cpu time.Duration, n uint64) float64 {
	if n == 0 {
		return 0
	}
	return microseconds(cpu) / float64(n)
}

func share(cpu time.Duration, seconds float64) float64 {
	if seconds <= 0 {
		return 0
	}
	return cpu.Seconds() / seconds
}
