package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// flood is what strangers send to the server while it relays for others. The
// zero flood is none.
type flood struct {
	kind string
	rate int // messages, or connections, a second
}

// The kinds of floods.
const (
	forgedAllocates = "allocates"  // without credentials, from forged addresses
	forgedBindings  = "bindings"   // from forged addresses
	forgedMACs      = "macs"       // signed, with a nonce that was made up, from forged addresses
	wrongMACs       = "wrong macs" // signed with a wrong password and a nonce of its own, from one address
	halfTLS         = "half tls"   // connections that begin a TLS handshake and leave it there
	closedPort      = "closed"     // Allocates to a port where nobody listens: what the flood costs without a server
)

const (
	floodRate     = 50000
	halfTLSRate   = 500
	noFlood       = "no flood"
	usualLimits   = "limits: {}"
	sessions      = 100
	sessionsRate  = 5000 // packets a second, both ways together
	floodCellName = "under attack"
)

// floodServers are turnpike as it comes, by what is sent to it.
func floodServers(rate int, limits string) []server {
	all := []server{{name: noFlood, program: turnpike, limits: limits}}
	for _, f := range []struct {
		name, kind string
		rate       int
	}{
		{"flood at a closed port", closedPort, rate},
		{"forged Allocates", forgedAllocates, rate},
		{"forged Bindings", forgedBindings, rate},
		{"forged MACs", forgedMACs, rate},
		{"wrong MACs of one source", wrongMACs, rate},
		{"half TLS handshakes", halfTLS, min(rate, halfTLSRate)},
	} {
		all = append(all, server{name: f.name, program: turnpike, limits: limits, flood: flood{f.kind, f.rate}})
	}
	return all
}

// floodCells are 100 sessions at a steady rate, alone and beside each flood in
// turn.
func floodCells() []cell {
	c := cell{
		name: floodCellName, part: attacked, without: []string{coturn, turnpike, pion}, base: noFlood,
		load: load{scenario: relaying, transport: "udp", clients: sessions, size: 160, burst: 1, rate: sessionsRate},
	}
	for _, s := range floodServers(floodRate, usualLimits) {
		c.servers = append(c.servers, s.name)
	}
	return []cell{c}
}

// flooded is what a flood did.
type flooded struct {
	Seconds    float64 `json:"seconds"`
	Sent       int     `json:"sent"` // messages, or connections
	SentBytes  int     `json:"sent_bytes"`
	Replies    int     `json:"replies"` // datagrams to the flood's addresses, or connections that the server closed
	ReplyBytes int     `json:"reply_bytes"`
	Overflowed int     `json:"overflowed"` // what the listener's socket had no room for, of anybody
}

var attacked = &part{"Relay under attack",
	"100 sessions relay 5,000 packets a second in all, while strangers flood the server, which has the limits that it comes with. " +
		"Latency is one way, by one clock, and has the load source's own turn in it, which shares its processor with the flood: " +
		"\"flood at a closed port\" is what that alone makes. out/in is the payload that the flood's addresses were answered per byte " +
		"that they sent; overflowed is what the listener's socket had no room for, whosever it was; growth is RSS at the end less that " +
		"when the sessions were there.",
	[]*metric{lost, latency50, latency99, cpuShare, floodedRate, replyRate, backscatter, overflow, growth}}

var (
	floodedRate = &metric{"flood/s", func(r *report) float64 { return r.Flood.each(r.Flood.sent()) }, digits, false}
	replyRate   = &metric{"replies/s", func(r *report) float64 { return r.Flood.each(r.Flood.replies()) }, digits, false}
	backscatter = &metric{"out/in", func(r *report) float64 { return r.Flood.ratio() }, digits, false}
	overflow    = &metric{"overflowed", func(r *report) float64 { return float64(r.Flood.overflowed()) }, digits, false}
	growth      = &metric{"growth MB", func(r *report) float64 { return (r.Process.RSSEnd - r.Process.RSSAllocated) / 1024 }, digits, false}
)

func (f *flooded) sent() int {
	if f == nil {
		return 0
	}
	return f.Sent
}

func (f *flooded) replies() int {
	if f == nil {
		return 0
	}
	return f.Replies
}

func (f *flooded) overflowed() int {
	if f == nil {
		return 0
	}
	return f.Overflowed
}

func (f *flooded) each(n int) float64 {
	if f == nil || f.Seconds <= 0 {
		return 0
	}
	return float64(n) / f.Seconds
}

func (f *flooded) ratio() float64 {
	if f == nil || f.SentBytes == 0 {
		return 0
	}
	return float64(f.ReplyBytes) / float64(f.SentBytes)
}

// floodCommand is the first argument of the process that plays a flood.
const floodCommand = "flood"

func isFlood(args []string) bool { return len(args) > 1 && args[1] == floodCommand }

// args is the command line of its process, without the program.
func (f flood) args() []string { return []string{floodCommand, f.kind, strconv.Itoa(f.rate)} }

// parseFlood is the reverse, without the command.
func parseFlood(args []string) (f flood, err error) {
	kinds := []string{forgedAllocates, forgedBindings, forgedMACs, wrongMACs, halfTLS, closedPort}
	if len(args) != 2 || !slices.Contains(kinds, args[0]) {
		return f, fmt.Errorf("%q is no flood: want one of %q, and a rate", args, kinds)
	}
	f.kind = args[0]
	if f.rate, err = strconv.Atoi(args[1]); err == nil && f.rate < 1 {
		err = errors.New("the rate must be above 0")
	}
	return f, err
}

// due is how many of a rate are to be sent after a time, beyond those that were.
func due(rate int, after time.Duration, sent int) int {
	return int(int64(rate)*int64(after)/int64(time.Second)) - sent
}
