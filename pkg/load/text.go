package load

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// WriteText writes the report for people.
func (r *Report) WriteText(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "%s, %d clients: %s\n", r.Server, r.Clients, r.what())
	if a := r.Allocate; a != nil {
		fmt.Fprintf(w, "allocations: %d in %.2f s, %.0f a second%s\n", a.OK, a.Seconds, a.PerSecond, failures(a.Failed))
	}
	if r.Sent > 0 {
		fmt.Fprintln(t, "\tsent\treceived\tlost\tbad\ta second\tp50 us\tp90\tp99\tp99.9\tmax\tjitter us\t")
		row := func(name string, f *Flowed) {
			if f == nil {
				return
			}
			l := f.Latency
			if l == nil {
				l = new(Latency)
			}
			fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\t\n",
				name, f.Sent, f.Received, f.Lost, f.Bad, f.PPS, l.P50, l.P90, l.P99, l.P999, l.Max, f.Jitter)
		}
		row("up", r.Up)
		row("down", r.Down)
		if r.Up == nil || r.Down == nil {
			if r.Operations > 0 {
				row(string(r.Scenario), &Flowed{r.Sent, r.Received, r.Lost, r.Bad, r.PPS, r.Latency, 0})
			}
		} else {
			row("both", &Flowed{r.Sent, r.Received, r.Lost, r.Bad, r.PPS, r.Latency, (r.Up.Jitter + r.Down.Jitter) / 2})
		}
		t.Flush()
		fmt.Fprintf(w, "measured for %.2f s; loss %.4f %%; stalls %d", r.Seconds, r.Loss*100, r.Stalls)
		if r.Unsent > 0 {
			fmt.Fprintf(w, "; %d more were due, but this client could not keep up", r.Unsent)
		}
		fmt.Fprintln(w)
	}
	r.writeCosts(w)
	for _, f := range r.Faults {
		fmt.Fprintln(w, "!", f)
	}
	_, err := fmt.Fprint(w, early[r.EndedEarly])
	return err
}

var early = map[bool]string{true: "ended early\n"}

func (r *Report) what() string {
	switch {
	case r.Scenario != Relay:
		return string(r.Scenario)
	case r.Rate > 0:
		return fmt.Sprintf("relay, %d bytes, bursts of %d, by %s, %s, peers: %s, %.0f packets a second", r.Size, r.Burst, r.Mode, r.Direction, r.Peer, r.Rate)
	}
	return fmt.Sprintf("relay, %d bytes, bursts of %d, by %s, %s, peers: %s, closed loop of %d", r.Size, r.Burst, r.Mode, r.Direction, r.Peer, r.Window)
}

func (r *Report) writeCosts(w io.Writer) {
	if p := r.Process; p != nil {
		var parts []string
		for _, c := range []struct {
			us   float64
			what string
		}{{p.CPUPerPacket, "packet"}, {p.CPUPerOperation, "operation"}, {p.CPUPerAllocation, "allocation"}} {
			if c.us > 0 {
				parts = append(parts, fmt.Sprintf("%.2f us of CPU per %s", c.us, c.what))
			}
		}
		parts = append(parts, fmt.Sprintf("%.2f CPUs", p.CPUShare), fmt.Sprintf("resident %d KB before", p.RSSBefore))
		if p.RSSAllocated > 0 {
			parts = append(parts, fmt.Sprintf("%d KB with the allocations", p.RSSAllocated))
		}
		fmt.Fprintf(w, "server process: %s, %d KB at the end\n", strings.Join(parts, ", "), p.RSSEnd)
	}
	if c := r.Client; c != nil {
		fmt.Fprintf(w, "this client: %.2f us of CPU per packet; %.2f CPUs\n", c.CPUPerPacket, c.CPUShare)
	}
}

func failures(n map[string]int) string {
	if len(n) == 0 {
		return ""
	}
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(n)) {
		parts = append(parts, fmt.Sprintf("%s: %d", k, n[k]))
	}
	return "; failed: " + strings.Join(parts, ", ")
}
