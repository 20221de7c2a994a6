package main

import (
	"encoding/json"
	"regexp"
	"slices"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// apart compares when two servers logged something: the second not later than that
// after the first.
func scriptApart(ts *testscript.TestScript, neg bool, args []string) {
	scriptArgs(ts, !neg && len(args) == 5, "apart NAME REGEXP NAME REGEXP DURATION")
	most, err := time.ParseDuration(args[4])
	ts.Check(err)
	first, second := scriptLogged(ts, args[0], args[1]), scriptLogged(ts, args[2], args[3])
	ts.Logf("%s apart", second.Sub(first))
	if second.Sub(first) > most {
		ts.Fatalf("%s logged it %s after %s, want %s at most", args[2], second.Sub(first), args[0], most)
	}
}

// scriptLogged is when a server logged the last line like that.
func scriptLogged(ts *testscript.TestScript, name, like string) time.Time {
	scriptWaitLog(ts, false, []string{name, like})
	all := scriptBedOf(ts).logs[name].all()
	slices.Reverse(all)
	var line struct{ Time time.Time }
	ts.Check(json.Unmarshal([]byte(all[slices.IndexFunc(all, regexp.MustCompile(like).MatchString)]), &line))
	return line.Time
}
