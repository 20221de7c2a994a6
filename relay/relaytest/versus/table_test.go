package main

import (
	"strings"
	"testing"
)

// packets makes the runs of one server, round by round.
func packets(c cell, server string, perPacket ...float64) (rs results) {
	for round, v := range perPacket {
		r := run{Cell: c.name, Server: server, Round: round, Report: &report{PPS: 200000, Loss: 0.0002}, Foreign: 0.02}
		r.Report.Process.PerPacket, r.Report.Process.Share = v, 1
		rs = append(rs, r)
	}
	return rs
}

func TestTable(t *testing.T) {
	c := cell{name: "c", part: saturated, targets: []target{{perPacket, turnpike, 0.8}, {perPacket, pion, 0.8}}}
	rs := append(packets(c, coturn, 6, 8, 5), packets(c, turnpike, 3, 6, 4)...)
	rs = append(rs, packets(c, pion, 6, 9, 6)...)
	var text strings.Builder
	if err := rs.write(&text, []cell{{name: "not run", part: paced}, c}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"## " + saturated.title,
		"| load | server | CPU us/packet | / coturn | kpps | lost % | CPU used | foreign CPU |\n| --- |",
		"| c | coturn | 6.00 [5.00-8.00] |  | 200 [200-200] | 0.020 [0.020-0.020] | 1.00 [1.00-1.00] | 0.02 |\n",
		"| c | turnpike | 4.00 [3.00-6.00] | 0.75 [0.50-0.80], target 0.80 met | 200",
		"| c | pion | 6.00 [6.00-9.00] | 1.12 [1.00-1.20], target 0.80 MISSED |",
		"Other processes took at most 0.02 CPU",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q", want)
		}
	}
	for _, not := range []string{paced.title, "WARNING", "FAILED", "std"} {
		if strings.Contains(text.String(), not) {
			t.Errorf("%q", not)
		}
	}
	if rs.failed() {
		t.Error("failed")
	}
	if t.Failed() {
		t.Log(text.String())
	}
}

// What went wrong is told, and never counted as a figure.
func TestTableTellsFaults(t *testing.T) {
	c := cell{name: "c", part: saturated, targets: []target{{perPacket, turnpike, 0.8}}}
	rs := append(packets(c, coturn, 6, 8), packets(c, turnpike, 3)...)
	rs[1].Foreign = 0.4
	rs = append(rs, run{Cell: "c", Server: turnpike, Round: 1, Error: "it ended\n"}, run{Cell: "c", Server: pion, Error: "never began"})
	var text strings.Builder
	if err := rs.write(&text, []cell{c}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| c | turnpike | 3.00 | 0.50, target 0.80 met |",
		"| c | pion | - | - | - | - | - |",
		"at most 0.40 CPU (c, coturn, round 2)",
		"WARNING: in 1 of 5 runs",
		"FAILED: c, turnpike, round 2:** it ended\n",
		"FAILED: c, pion, round 1:** never began\n",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q", want)
		}
	}
	if !rs.failed() {
		t.Error("not failed")
	}
	if t.Failed() {
		t.Log(text.String())
	}
}
