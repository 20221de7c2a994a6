package relaytest

import (
	"errors"
	"strings"
	"testing"
)

func TestCheckResult(t *testing.T) {
	broken := errors.New("no allocation")
	for _, tt := range []struct {
		name       string
		r          Result
		want, died bool
		says       string // "" for no complaint
	}{
		{"fended off", Result{}, false, false, ""},
		{"got through", Result{Succeeded: true}, false, false, "got through"},
		{"fended off, but the server died of it", Result{}, false, true, "killed the server"},
		{"not carried out", Result{Err: broken}, false, false, "could not be carried out"},
		{"control fell", Result{Succeeded: true}, true, false, ""},
		{"control died", Result{Succeeded: true}, true, true, ""},
		{"control stood", Result{}, true, false, "fended off"},
		{"control not carried out", Result{Err: broken}, true, false, "could not be carried out"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := check(tt.r, tt.want, tt.died)
			if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("check = %v, want %q", err, tt.says)
			}
		})
	}
}

func TestHostileIsWellFormed(t *testing.T) {
	seen := make(map[string]bool)
	for _, a := range Hostile() {
		if a.Name == "" || a.Source == "" || a.Run == nil || seen[a.Name] {
			t.Errorf("attack %q from %q: unnamed, unsourced, empty or listed twice", a.Name, a.Source)
		}
		seen[a.Name] = true
	}
}
