package main

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestLoadArgs(t *testing.T) {
	times := timing{time.Second, 3 * time.Second}
	for _, tt := range []struct {
		load      load
		have, not string
	}{
		{load{scenario: relaying, transport: "udp", clients: 100, size: 160, burst: 4, rate: 50000},
			"load turn:93.184.216.1:3478?transport=udp --scenario relay --clients 100 --size 160 --burst 4 --rate 50000 --direction both " +
				"--window 256 --poll --duration 3s --warmup 1s --client-net 93.185.0.0/16 --peer-address 93.186.0.1 --pid 42 --json", "--indications --hold"},
		{load{scenario: relaying, transport: "tls", clients: 20, size: 1200, burst: 1, indications: true},
			"turns:93.184.216.1:5349 --indications --rate 0", ""},
		{load{scenario: allocating, transport: "udp", clients: 10000, hold: 2 * time.Second},
			"--scenario allocate --clients 10000 --hold 2s", "--size --duration"},
		{load{scenario: binding, transport: "udp", clients: 1000}, "--scenario binding --duration 3s", "--size --peer"},
	} {
		args := tt.load.args(42, times)
		for _, arg := range strings.Fields(tt.have) {
			if !slices.Contains(args, arg) {
				t.Errorf("%q lacks %q", args, arg)
			}
		}
		for _, arg := range strings.Fields(tt.not) {
			if slices.Contains(args, arg) {
				t.Errorf("%q has %q", args, arg)
			}
		}
	}
}

func TestReadReport(t *testing.T) {
	relay := load{scenario: relaying, clients: 2}
	r, err := readReport(relay, []byte(`{"scenario":"relay","seconds":3,"received":300,"lost":3,"loss":0.01,"pps":100.5,
		"latency_us":{"p50":31,"p90":40,"p99":99.5},"process":{"cpu_us_per_packet":4.5,"cpu_share":0.9,"rss_kb_before":1}}`))
	if err != nil || r.Received != 300 || r.Lost != 3 || perPacket.of(r) != 4.5 || packetRate.of(r) != 0.1005 ||
		lost.of(r) != 1 || latency99.of(r) != 99.5 || cpuShare.of(r) != 0.9 {
		t.Errorf("%+v, %v", r, err)
	}
	r, err = readReport(load{scenario: allocating, clients: 10}, []byte(`{"allocate":{"ok":10,"failed":{},"per_second":5},
		"process":{"rss_kb_before":1000,"rss_kb_allocated":1200,"rss_kb_end":1150}}`))
	if err != nil || memory.of(r) != 15 || allocateRate.of(r) != 5 {
		t.Errorf("%+v, %v", r, err)
	}
	for name, tt := range map[string]struct {
		load load
		out  string
	}{
		"no JSON":            {relay, "panic: oops"},
		"nothing relayed":    {relay, `{"received":0}`},
		"wrong packets":      {relay, `{"received":300,"bad":1}`},
		"failed allocations": {relay, `{"received":300,"allocate":{"ok":1,"failed":{"486":1}}}`},
		"few allocations":    {load{scenario: allocating, clients: 10}, `{"allocate":{"ok":9}}`},
		"nothing answered":   {load{scenario: binding, clients: 10}, `{}`},
	} {
		if _, err := readReport(tt.load, []byte(tt.out)); err == nil {
			t.Errorf("%s: taken for a result", name)
		}
	}
}
