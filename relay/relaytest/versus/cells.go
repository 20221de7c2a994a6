package main

import (
	"fmt"
	"regexp"
	"slices"
	"time"
)

// cell is one thing that is measured: the same load on several servers.
type cell struct {
	name    string
	part    *part
	load    load
	servers []string // beside the three
	base    string   // the server that the others are compared to; empty: coturn
	without []string // of the three
	targets []target
	quick   bool // part of a quick run
	rounds  int  // 0: as many as asked for
}

// target is how a server should compare to coturn, or the base of its cell, in
// the same round.
type target struct {
	metric *metric
	server string
	atMost float64
}

// The whole list, in the order in which it is run.
func allCells() []cell {
	return slices.Concat(burstCells(), clientCells(), otherCells(), streamCells(), pacedCells(), controlCells(), floodCells())
}

// burstCells are 100 clients as fast as the server takes it. Consecutive
// packets of one client are what a video frame makes.
func burstCells() []cell {
	var all []cell
	for _, size := range []int{160, 1200} {
		for _, burst := range []int{1, 4, 16} {
			all = append(all, cell{
				name: fmt.Sprintf("udp, %d B, bursts of %d", size, burst), part: saturated,
				load:    load{scenario: relaying, transport: "udp", clients: 100, size: size, burst: burst},
				servers: []string{"turnpike std", "turnpike gro off"},
				targets: burstTargets(burst),
				quick:   size == 160 && burst == 1 || size == 1200 && burst == 16,
			})
		}
	}
	return all
}

func burstTargets(burst int) []target {
	switch burst {
	case 1:
		return []target{{perPacket, turnpike, 0.80}}
	case 4:
		return []target{{perPacket, turnpike, 0.45}}
	}
	return []target{{perPacket, turnpike, 0.25}, {perPacket, "turnpike gro off", 0.30}}
}

func clientCells() []cell {
	var all []cell
	for _, n := range []int{1, 10, 1000} {
		all = append(all, cell{
			name: fmt.Sprintf("udp, 160 B, clients: %d", n), part: saturated,
			load:    load{scenario: relaying, transport: "udp", clients: n, size: 160, burst: 1},
			targets: []target{{perPacket, turnpike, 0.80}},
		})
	}
	return all
}

func otherCells() []cell {
	return []cell{{
		name: "udp, 160 B, indications", part: saturated,
		load: load{scenario: relaying, transport: "udp", clients: 100, size: 160, burst: 1, indications: true},
	}}
}

// streamCells are clients over TCP and TLS. Stock pion speaks no TLS.
func streamCells() []cell {
	var all []cell
	for _, transport := range []string{"tcp", "tls"} {
		for _, size := range []int{160, 1200} {
			c := cell{
				name: fmt.Sprintf("%s, %d B", transport, size), part: saturated,
				load: load{scenario: relaying, transport: transport, clients: 20, size: size, burst: 1},
			}
			if transport == "tls" {
				c.without = []string{pion}
			}
			all = append(all, c)
		}
	}
	return all
}

// pacedCells are an ordinary day: half of the cost is being woken for a packet.
func pacedCells() []cell {
	return []cell{{
		name: "udp, 160 B, 50,000/s", part: paced,
		load:    load{scenario: relaying, transport: "udp", clients: 100, size: 160, burst: 1, rate: 50000},
		servers: []string{"turnpike coalesce 0", "turnpike coalesce 500us"},
		targets: []target{{perPacket, "turnpike coalesce 500us", 0.70}, {latency99, turnpike, 1}},
		quick:   true,
	}}
}

// Control plane. The last cell waits until Go has collected garbage by itself,
// which it does every two minutes where nothing happens.
func controlCells() []cell {
	const settle, collected = 2 * time.Second, 140 * time.Second
	return []cell{
		{
			name: "allocate", part: allocations, quick: true,
			load:    load{scenario: allocating, transport: "udp", clients: 10000, hold: settle},
			targets: []target{{perAllocation, turnpike, 0.7}, {memory, turnpike, 0.5}},
		}, {
			name: "challenge", part: answers, quick: true,
			load:    load{scenario: challenging, transport: "udp", clients: 1000},
			targets: []target{{perAnswer, turnpike, 0.4}},
		}, {
			name: "binding", part: answers, quick: true,
			load:    load{scenario: binding, transport: "udp", clients: 1000},
			targets: []target{{perAnswer, turnpike, 0.8}},
		}, {
			name: "memory after 140 s", part: idle, rounds: 1,
			load:    load{scenario: allocating, transport: "udp", clients: 10000, hold: collected},
			targets: []target{{memory, turnpike, 0.5}},
		},
	}
}

// compared is the server that the others of a cell are compared to.
func (c cell) compared() string {
	if c.base == "" {
		return coturn
	}
	return c.base
}

// rivals are the servers of a cell that were asked for, first the one that the
// others are compared to.
func (c cell) rivals(asked *regexp.Regexp) []server {
	var all []server
	for _, s := range servers {
		own := s.name == s.program && !slices.Contains(c.without, s.name) || slices.Contains(c.servers, s.name)
		if own && (s.name == c.compared() || asked.MatchString(s.name)) {
			all = append(all, s)
		}
	}
	return all
}

// choose returns the cells of a run.
func choose(all []cell, name *regexp.Regexp, quick bool) []cell {
	return slices.DeleteFunc(all, func(c cell) bool { return !name.MatchString(c.name) || quick && !c.quick })
}
