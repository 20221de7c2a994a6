package main

import (
	"fmt"
	"strconv"
)

// metric is one figure of a run. Of all that are compared less is better.
type metric struct {
	title    string
	of       func(*report) float64
	format   func(float64) string
	compared bool // as a ratio to coturn
}

// part is one table of the output.
type part struct {
	title   string
	about   string
	metrics []*metric
}

var (
	perPacket     = &metric{"CPU us/packet", func(r *report) float64 { return r.Process.PerPacket }, digits, true}
	packetRate    = &metric{"kpps", func(r *report) float64 { return r.PPS / 1000 }, digits, false}
	lost          = &metric{"lost %", func(r *report) float64 { return r.Loss * 100 }, digits, false}
	cpuShare      = &metric{"CPU used", func(r *report) float64 { return r.Process.Share }, digits, false}
	latency50     = &metric{"p50 us", func(r *report) float64 { return r.Latency.P50 }, digits, false}
	latency99     = &metric{"p99 us", func(r *report) float64 { return r.Latency.P99 }, digits, true}
	allocateRate  = &metric{"allocations/s", func(r *report) float64 { return r.Allocate.PerSecond }, digits, false}
	perAllocation = &metric{"CPU us/allocation", func(r *report) float64 { return r.Process.PerAllocation }, digits, true}
	memory        = &metric{"KB/allocation", kbPerAllocation, digits, true}
	answerRate    = &metric{"answers/s", func(r *report) float64 { return r.PerSecond }, digits, false}
	perAnswer     = &metric{"CPU us/answer", func(r *report) float64 { return r.Process.PerOperation }, digits, true}
)

var (
	saturated = &part{"Relay, as fast as the server takes it",
		"Both directions at once, at most 256 packets in flight in each. kpps is loss-free where nothing was lost; " +
			"where CPU used is below 1 the load source was the limit, and a core would do 1000 / (CPU us/packet) kpps.",
		[]*metric{perPacket, packetRate, lost, cpuShare}}
	paced = &part{"Relay at an equal rate",
		"Latency is one way, both ways together, by one clock and through the load source's own loop; p99 is mostly the machine's.",
		[]*metric{perPacket, latency50, latency99, packetRate, lost, cpuShare}}
	allocations = &part{"Allocations",
		"10,000 times challenge and authenticated Allocate. Memory is RSS 2 s later, less what it was before, without the kernel's.",
		[]*metric{perAllocation, allocateRate, memory}}
	answers = &part{"Answers without a credential",
		"1,000 source addresses, as fast as the server answers: unauthenticated Allocates (401) and Bindings.",
		[]*metric{perAnswer, answerRate, cpuShare}}
	idle = &part{"Memory of idle allocations",
		"10,000 of them, 140 s old: Go has collected its garbage by itself meanwhile.",
		[]*metric{memory}}
)

func kbPerAllocation(r *report) float64 {
	return (r.Process.RSSEnd - r.Process.RSSBefore) / float64(max(1, r.Allocate.OK))
}

// digits writes three significant digits or all before the point.
func digits(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v < 0.001 && v > 0:
		return fmt.Sprintf("%.0e", v)
	case v < 1:
		return strconv.FormatFloat(v, 'f', 3, 64)
	case v < 10:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case v < 100:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 0, 64)
}
