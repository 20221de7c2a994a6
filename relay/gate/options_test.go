package gate

import (
	"strings"
	"testing"
	"time"
)

func TestOptions(t *testing.T) {
	good := newRig(t).g.o
	good.NonceKey = long(32)
	for name, c := range map[string]struct {
		change func(*Options)
		names  string
	}{
		"no realm":         {func(o *Options) { o.Realm = "" }, "Realm"},
		"long realm":       {func(o *Options) { o.Realm = string(long(128)) }, "Realm"},
		"quoted realm":     {func(o *Options) { o.Realm = `a"b` }, "Realm"},
		"backslash":        {func(o *Options) { o.Realm = `a\b` }, "Realm"},
		"control":          {func(o *Options) { o.Realm = "a\n" }, "Realm"},
		"not ASCII":        {func(o *Options) { o.Realm = "\u00e9" }, "Realm"},
		"short key":        {func(o *Options) { o.NonceKey = long(31) }, "NonceKey"},
		"channel too low":  {func(o *Options) { o.MaxChannel = 0x3FFF }, "MaxChannel"},
		"channel too high": {func(o *Options) { o.MaxChannel = 0x8000 }, "MaxChannel"},
		"nonce too short":  {func(o *Options) { o.NonceLifetime = time.Millisecond }, "NonceLifetime"},
		"nonce too long":   {func(o *Options) { o.NonceLifetime = 25 * time.Hour }, "NonceLifetime"},
		"negative default": {func(o *Options) { o.DefaultLifetime = -1 }, "DefaultLifetime"},
		"default over max": {func(o *Options) { o.DefaultLifetime, o.MaxLifetime = 700*time.Second, 600*time.Second }, "DefaultLifetime"},
		"parts of seconds": {func(o *Options) { o.DefaultLifetime += time.Millisecond }, "DefaultLifetime"},
		"max over pion's":  {func(o *Options) { o.MaxLifetime = 3541 * time.Second }, "MaxLifetime"},
		"no verifier":      {func(o *Options) { o.Verifier = nil }, "Verifier"},
		"no budget":        {func(o *Options) { o.Replies = nil }, "Replies"},
		"no other budget":  {func(o *Options) { o.Bindings = nil }, "Bindings"},
		"no failures":      {func(o *Options) { o.Failures = nil }, "Failures"},
		"no sessions":      {func(o *Options) { o.Sessions = nil }, "Sessions"},
		"no peer":          {func(o *Options) { o.Peer = nil }, "Peer"},
		"no permission":    {func(o *Options) { o.Permission = nil }, "Permission"},
	} {
		o := good
		c.change(&o)
		if g, err := New(o); err == nil || g != nil || !strings.Contains(err.Error(), "gate: "+c.names) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := New(Options{})
	if n := strings.Count(err.Error(), "\n") + 1; n != 9 { // realm, key, seven of the rest
		t.Errorf("%d faults: %v", n, err)
	}
	for _, realm := range []string{"a", "example.org", string(long(127)), "with space"} {
		o := good
		o.Realm = realm
		if _, err := New(o); err != nil {
			t.Error(err)
		}
	}
}

func TestLongRealm(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Realm = string(long(127)) })
	if realm, _ := challenge(t, r.reply(r.judge(allocateMsg()), 401, nil)); len(realm) != 127 {
		t.Errorf("%q", realm)
	}
}

// The names are a metric's labels: each has one, and no two share it.
func TestNames(t *testing.T) {
	check := func(kind string, n int, name func(int) string) {
		seen := map[string]bool{"": true, "unknown": true}
		for i := range n {
			if seen[name(i)] {
				t.Errorf("%s %d: %q", kind, i, name(i))
			}
			seen[name(i)] = true
		}
		if got := name(n); got != "unknown" {
			t.Errorf("%s beyond the last: %q", kind, got)
		}
	}
	check("transport", NumTransports, func(i int) string { return Transport(i).String() })
	check("method", NumMethods, func(i int) string { return Method(i).String() })
	check("action", NumActions, func(i int) string { return Action(i).String() })
	check("reason", NumReasons, func(i int) string { return Reason(i).String() })
	for _, code := range Codes() {
		if codes[codeIndex(code)] != code {
			t.Errorf("code %d is counted as %d", code, codes[codeIndex(code)])
		}
	}
	if codes[codeIndex(487)] != 500 {
		t.Error("a code that is not listed is not counted under 500")
	}
}
