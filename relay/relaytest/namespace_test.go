package relaytest

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestJudge(t *testing.T) {
	exit := errors.New("exit status 2")
	for _, tt := range []struct {
		name string
		v    verdict
		exit error
		want string // "" for a pass
	}{
		{"passed", passed, nil, ""},
		{"passed, then a race report", passed, exit, "failed inside"},
		{"failed", failed, exit, "failed inside"},
		{"failed, exit code lost", failed, nil, "failed inside"},
		{"skipped", skipped, nil, "skipped itself"},
		{"skipped, then a crash", skipped, exit, "failed inside"},
		{"no test ran", ranNone, nil, "ran no test"},
		{"died in the test", ranNone, exit, "ran no test"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := judge(tt.v, tt.exit)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("judge(%q, %v) = %v, want %q", tt.v, tt.exit, err, tt.want)
			}
		})
	}
}

func TestChildArgs(t *testing.T) {
	now := time.Unix(1000, 0)
	args := childArgs("TestA/b_(1)/c#01", now.Add(100*time.Second), true, now)
	for _, want := range []string{
		`-test.run=^TestA$/^b_\(1\)$/^c#01$`, "-test.count=1", "-test.v", "-test.timeout=1m30s",
	} {
		if !slices.Contains(args, want) {
			t.Errorf("%q lacks %q", args, want)
		}
	}
	for name, tt := range map[string]struct {
		has  bool
		want string
	}{
		"no deadline":   {false, "-test.timeout=10m0s"},
		"deadline past": {true, "-test.timeout=1s"},
	} {
		if args := childArgs("TestA", now, tt.has, now); !slices.Contains(args, tt.want) {
			t.Errorf("%s: %q lacks %q", name, args, tt.want)
		}
	}
}

func TestQuoteHidesVerdicts(t *testing.T) {
	got := quote([]byte("=== RUN   TestA\n--- PASS: TestA\n"))
	if want := "| === RUN   TestA\n| --- PASS: TestA"; got != want {
		t.Errorf("quote = %q, want %q", got, want)
	}
}
