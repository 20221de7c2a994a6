package relaytest

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"
)

func TestJudgeLoad(t *testing.T) {
	for _, tt := range []struct {
		name              string
		l                 Load
		harmless, endless string // what is said, "" for no complaint
	}{
		{"idle", Load{Closed: 20}, "", "fended off"},
		{"a little work", Load{Open: busy - 0.01, Gone: busy - 0.01}, "", "fended off"},
		{"spins for ever", Load{Open: 1, Gone: 0.99}, "while the connections were open", ""},
		{"spins while it is attacked", Load{Open: 1}, "while the connections were open", "fended off"},
		{"spins afterwards", Load{Gone: 1}, "when no client was left", "fended off"},
		{"idle, and deaf", Load{Unserved: errors.New("no route")}, "not served: no route", "fended off"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for what, said := range map[string]struct {
				err  error
				want string
			}{"harmless": {tt.l.harmless(), tt.harmless}, "endless": {tt.l.endless(), tt.endless}} {
				if (said.err == nil) != (said.want == "") || said.err != nil && !strings.Contains(said.err.Error(), said.want) {
					t.Errorf("%s: %v, want %q", what, said.err, said.want)
				}
			}
		})
	}
}

// Header and length of each wrap around to nothing, padded as they are (RFC
// 8656 section 12.5), and each is long enough to be looked at.
func TestWrappingFramesWrap(t *testing.T) {
	for i, header := range []uint16{4, 20} {
		f := wrapping[i].frame
		length := uint16(f[2])<<8 | uint16(f[3])
		if got := header + (length+3)&^3; got != 0 || len(f) < 9 || len(f) < int(header) {
			t.Errorf("%s: %d bytes, takes %d", wrapping[i].name, len(f), got)
		}
	}
	seen := map[string]bool{}
	for _, a := range HostileStreams() {
		if a.Name == "" || a.Source == "" || a.Run == nil || seen[a.Name] {
			t.Errorf("attack %q from %q: unnamed, unsourced, empty or listed twice", a.Name, a.Source)
		}
		seen[a.Name] = true
	}
}

func TestClosedByOther(t *testing.T) {
	here, there := net.Pipe()
	if closed(here) {
		t.Error("an open connection counts as closed")
	}
	there.Close()
	if !closed(here) {
		t.Error("a closed connection counts as open")
	}
	here.Close()
	if !closed(here) {
		t.Error("a connection that we closed counts as open")
	}
}

func TestParseCPU(t *testing.T) {
	const rest = "S 1 2 3 4 5 6 7 8 9 10 250 50 0 0"
	for _, command := range []string{"(turnpike)", "(a b) c)", "()"} {
		if got, err := parseCPU("stat", "42 "+command+" "+rest); err != nil || got != 3*time.Second {
			t.Errorf("%s: %v, %v", command, got, err)
		}
	}
	for _, bad := range []string{"", "42 (x)", "42 (x) S 1 2 3 4 5 6 7 8 9 10 x 50", "42 (x) S 1 2 3 4 5 6 7 8 9 10 250 -1"} {
		if got, err := parseCPU("stat", bad); err == nil {
			t.Errorf("%q: %v, want an error", bad, got)
		}
	}
}
