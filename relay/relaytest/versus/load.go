package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// What `turnpike load` can play.
const (
	relaying    = "relay"
	allocating  = "allocate"
	challenging = "challenge"
	binding     = "binding"
)

// load is what one run of `turnpike load` does.
type load struct {
	scenario    string
	transport   string // udp, tcp or tls
	clients     int
	size        int // bytes of payload
	burst       int // consecutive packets of a client
	rate        int // packets a second in all; 0: as fast as the server takes them
	indications bool
	hold        time.Duration // how long allocations are kept before the last look at memory
}

// inFlight bounds the packets under way in each direction where the rate has no
// bound: few enough to fit the server's socket buffers.
const inFlight = 256

// maxUsers keeps users below the default role's 20 allocations each.
const maxUsers = 1000

func (l load) users() int { return min(l.clients, maxUsers) }

// url is where the load goes.
func (l load) url() string {
	if l.transport == "tls" {
		return fmt.Sprintf("turns:%s:%d", serverHost, tlsPort)
	}
	return fmt.Sprintf("turn:%s:%d?transport=%s", serverHost, plainPort, l.transport)
}

// timing is how long each run measures, after it has warmed up.
type timing struct{ warmup, measured time.Duration }

// args is the command line, without the program and who authenticates how.
func (l load) args(server int, t timing) []string {
	args := []string{"load", l.url(), "--json",
		"--scenario", l.scenario, "--clients", strconv.Itoa(l.clients), "--client-net", clientNet.String(),
		"--pid", strconv.Itoa(server)}
	if l.scenario == allocating {
		return append(args, "--hold", l.hold.String())
	}
	args = append(args, "--duration", t.measured.String(), "--warmup", t.warmup.String(), "--window", strconv.Itoa(inFlight), "--poll")
	if l.scenario != relaying {
		return args
	}
	args = append(args, "--size", strconv.Itoa(l.size), "--burst", strconv.Itoa(l.burst), "--rate", strconv.Itoa(l.rate),
		"--direction", "both", "--peer", "socket", "--peer-address", peerHost.String())
	if l.indications {
		args = append(args, "--indications")
	}
	return args
}

// longest is when a run that has not ended must have got stuck.
func (l load) longest(t timing) time.Duration {
	return 2*(t.warmup+t.measured+l.hold) + time.Minute
}

// report is what `turnpike load` says of a run, as far as it is used here, and
// what a flood did meanwhile.
type report struct {
	Flood *flooded `json:"-"` // nil if there was none

	Seconds  float64 `json:"seconds"`
	Received int64   `json:"received"`
	Lost     int64   `json:"lost"`
	Loss     float64 `json:"loss"` // of what was sent
	Bad      int64   `json:"bad"`  // not what was sent, or from elsewhere
	PPS      float64 `json:"pps"`
	Latency  struct {
		P50 float64 `json:"p50"`
		P99 float64 `json:"p99"`
	} `json:"latency_us"`
	Allocate struct {
		OK        int            `json:"ok"`
		Failed    map[string]int `json:"failed"`
		PerSecond float64        `json:"per_second"`
	} `json:"allocate"`
	Operations int64   `json:"operations"`
	PerSecond  float64 `json:"per_second"`
	Process    struct {
		PerPacket     float64 `json:"cpu_us_per_packet"`
		PerOperation  float64 `json:"cpu_us_per_operation"`
		PerAllocation float64 `json:"cpu_us_per_allocation"`
		Share         float64 `json:"cpu_share"`
		RSSBefore     float64 `json:"rss_kb_before"`
		RSSAllocated  float64 `json:"rss_kb_allocated"`
		RSSEnd        float64 `json:"rss_kb_end"`
	} `json:"process"`
}

// readReport reads it and refuses one of a run in which nothing happened: the
// fastest server is the one that does nothing.
func readReport(l load, out []byte) (*report, error) {
	r := new(report)
	if err := json.Unmarshal(out, r); err != nil {
		return nil, fmt.Errorf("the load source's report: %w: %q", err, out)
	}
	failed := 0
	for _, n := range r.Allocate.Failed {
		failed += n
	}
	switch {
	case r.Bad > 0:
		return nil, fmt.Errorf("%d packets were not what was sent", r.Bad)
	case failed > 0:
		return nil, fmt.Errorf("%d of %d allocations failed: %v", failed, l.clients, r.Allocate.Failed)
	case l.scenario == relaying && r.Received == 0:
		return nil, fmt.Errorf("nothing was relayed: %s", out)
	case l.scenario == allocating && r.Allocate.OK != l.clients:
		return nil, fmt.Errorf("%d of %d allocations: %s", r.Allocate.OK, l.clients, out)
	case (l.scenario == challenging || l.scenario == binding) && r.Operations == 0:
		return nil, fmt.Errorf("nothing was answered: %s", out)
	}
	return r, nil
}
