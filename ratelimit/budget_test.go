package ratelimit

import (
	"strings"
	"testing"
	"time"
)

func TestBudgetOptions(t *testing.T) {
	one := Rate{1, 1}
	for name, o := range map[string]BudgetOptions{
		"Source": {Network: one, All: one}, "Network": {Source: one, All: one}, "All": {Source: one, Network: one},
	} {
		if _, err := NewBudget(o); err == nil || !strings.HasPrefix(err.Error(), name+": ") {
			t.Errorf("without %s: %v", name, err)
		}
	}
}

// A source has its share, a network no more than its own, and all together no
// more than everybody's, from however many addresses.
func TestBudgetLevels(t *testing.T) {
	b, err := NewBudget(BudgetOptions{Source: Rate{10, 4}, Network: Rate{10, 40}, All: Rate{10, 400}})
	if err != nil {
		t.Fatal(err)
	}
	passed := func(hosts, each int, now time.Time, network uint32) (n int) {
		for host := range uint32(hosts) {
			for range each {
				if b.Allow(v4(network<<8|host), now) {
					n++
				}
			}
		}
		return n
	}
	if n := passed(1, 100, start, 1); n != 4 {
		t.Errorf("%d for a source, want 4", n)
	}
	if n := passed(200, 100, start, 2); n != 40 {
		t.Errorf("%d for a network, want 40", n)
	}
	total := 44
	for network := range uint32(100) {
		total += passed(200, 1, start, 100+network)
	}
	if total != 400 {
		t.Errorf("%d for all, want 400", total)
	}
	if n := passed(256, 100, start.Add(time.Second), 500); n != 10 {
		t.Errorf("%d a second later, want 10", n)
	}
	// Who is refused as a source takes nothing from others.
	b, _ = NewBudget(BudgetOptions{Source: Rate{1, 2}, Network: Rate{1, 100}, All: Rate{1, 100}})
	passed(1, 10000, start, 1)
	// Of 98 the first host has had its two; now and then hosts share a bucket.
	if n := passed(49, 2, start, 1); n < 90 {
		t.Errorf("a flooding source left %d of 96 to its network", n)
	}
}
