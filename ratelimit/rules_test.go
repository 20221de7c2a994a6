package ratelimit_test

import (
	"testing"

	. "turnpike/ratelimit"
)

func TestRuleNames(t *testing.T) {
	seen := map[string]bool{"": true, "unknown": true}
	for l := range Limit(NumLimits) {
		if s := l.String(); seen[s] {
			t.Errorf("limit %d is called %q", l, s)
		} else {
			seen[s] = true
		}
	}
	for _, o := range []OnStoreError{Local, Allow, Deny} {
		text, err := o.MarshalText()
		var back OnStoreError
		if err2 := back.UnmarshalText(text); err != nil || err2 != nil || back != o {
			t.Errorf("%d becomes %q becomes %d (%v, %v)", o, text, back, err, err2)
		}
	}
	var o OnStoreError
	if err := o.UnmarshalText([]byte("open")); err == nil {
		t.Error("open is taken")
	}
	if _, err := OnStoreError(9).MarshalText(); err == nil {
		t.Error("9 has a name")
	}
}
