package main

import (
	"reflect"
	"testing"
	"time"

	"turnpike/pkg/config"
	"turnpike/pkg/netpolicy"
)

// TestPresetsAreThePolicys: each preset has one name in both rooms.
func TestPresetsAreThePolicys(t *testing.T) {
	n := 0
	for p := netpolicy.PresetSpecialPurpose; p.String() != "unknown"; p++ {
		var m config.Match
		if err := m.UnmarshalText([]byte(p.String())); err != nil {
			t.Error(err)
			continue
		}
		if got := policyLines([]config.Line{{Match: m}}); got[0].Preset != p {
			t.Errorf("%v is taken for %v", p, got[0].Preset)
		}
		n++
	}
	if n != 6 {
		t.Errorf("%d presets", n)
	}
}

// TestExpiredLinesDoNotHold: from their time on, and nobody else's list changes.
func TestExpiredLinesDoNotHold(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	p := config.Policy{Deny: []config.Line{{Ticket: "a", ExpiresAt: at}, {Ticket: "b"}, {Ticket: "c", ExpiresAt: at.Add(1)}}}
	tickets := func(lines []config.Line) (all []string) {
		for _, l := range lines {
			all = append(all, l.Ticket)
		}
		return all
	}
	for now, want := range map[time.Time][]string{at.Add(-1): {"a", "b", "c"}, at: {"b", "c"}, at.Add(1): {"b"}} {
		if got := tickets(holding(p.PeerLines(), now).Deny); !reflect.DeepEqual(got, want) {
			t.Errorf("at %v %v hold, want %v", now, got, want)
		}
	}
	if got := tickets(p.Deny); !reflect.DeepEqual(got, []string{"a", "b", "c"}) {
		t.Errorf("the configuration has %v", got)
	}
}
