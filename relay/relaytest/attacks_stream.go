package relaytest

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pion/turn/v4"
)

// StreamEnv is a server under attack over TCP or TLS. It is a process of its
// own: what it does with its time tells how an attack went.
type StreamEnv struct {
	// Alice and Bob are users who may both allocate, alice Conns times.
	Alice, Bob User
	// Dial opens a connection that is ready for TURN, of TLS if the server is to
	// be attacked there. Who dials closes.
	Dial func() (net.Conn, error)
	// CPU is the processor time that the server has used so far; an error if it
	// is gone.
	CPU func() (time.Duration, error)
	// Conns is how many connections attack at the same time.
	Conns int
}

// StreamAttack is one hostile input over a stream.
type StreamAttack struct {
	Name   string
	Source string // where it is known from
	Run    func(StreamEnv) (Load, error)
}

// Load is what an attack made of the server.
type Load struct {
	// Open and Gone are the processor cores that the server used on average,
	// while the attacking connections were there and after all had closed.
	Open, Gone float64
	// Closed is how many of them the server had closed by itself.
	Closed int
	// Unserved is why another client got no allocation meanwhile, if it didn't.
	Unserved error
}

// wrapping are messages whose header and length together are 65,536 bytes, that
// is 0 in 16 bits: a server that reckons so takes nothing away, finds the same
// message again, and never ends. The client need not stay for it.
var wrapping = []struct {
	name  string
	frame []byte
}{
	{"ChannelData", []byte{0x40, 0x00, 0xff, 0xfc, 0, 0, 0, 0, 0}},
	{"STUN message", []byte{0x00, 0x01, 0xff, 0xec, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
}

// HostileStreams lists the attacks on a TURN server over TCP or TLS. Each has
// an unguarded pion/turn v4.1.4 spin for ever.
func HostileStreams() (attacks []StreamAttack) {
	for _, w := range wrapping {
		for _, authenticated := range []bool{false, true} {
			name := w.name + " with a length that wraps around, from a stranger"
			if authenticated {
				name = w.name + " with a length that wraps around, from a client with an allocation"
			}
			attacks = append(attacks, StreamAttack{name, "pion/turn#593", func(env StreamEnv) (Load, error) {
				return env.attack(w.frame, authenticated)
			}})
		}
	}
	return attacks
}

// HostileStreamsFail runs every attack, each in a StreamEnv of its own, and
// fails the test for each that keeps the server busy or others from it.
func HostileStreamsFail(t *testing.T, newEnv func(*testing.T) StreamEnv) {
	t.Helper()
	runHostileStreams(t, newEnv, Load.harmless)
}

// HostileStreamsSucceed is the reverse, the negative control: it fails the test
// for each attack after which the server does not spin without any client.
func HostileStreamsSucceed(t *testing.T, newEnv func(*testing.T) StreamEnv) {
	t.Helper()
	runHostileStreams(t, newEnv, Load.endless)
}

func runHostileStreams(t *testing.T, newEnv func(*testing.T) StreamEnv, judge func(Load) error) {
	t.Helper()
	for _, a := range HostileStreams() {
		t.Run(a.Name, func(t *testing.T) {
			l, err := a.Run(newEnv(t))
			if err != nil {
				t.Fatalf("the attack could not be carried out: %v (%s)", err, a.Source)
			}
			if err := judge(l); err != nil {
				t.Errorf("%v (%s)", err, a.Source)
			}
			t.Logf("%.2f cores with the connections open, %.2f after; %d closed by the server", l.Open, l.Gone, l.Closed)
		})
	}
}

// busy is the share of a core that tells a server at work from an idle one. One
// that spins has a whole core of an idle machine, and less of a loaded one.
const busy = 0.2

// harmless complains about a server that was kept busy, or from others.
func (l Load) harmless() error {
	switch {
	case l.Open >= busy:
		return fmt.Errorf("the server used %.2f cores while the connections were open", l.Open)
	case l.Gone >= busy:
		return fmt.Errorf("the server used %.2f cores when no client was left", l.Gone)
	case l.Unserved != nil:
		return fmt.Errorf("another client was not served: %w", l.Unserved)
	}
	return nil
}

// endless complains about a server that did not spin, or stopped it.
func (l Load) endless() error {
	if l.Open < busy || l.Gone < busy {
		return fmt.Errorf("the attack was fended off: %.2f cores with the connections open, %.2f after", l.Open, l.Gone)
	}
	return nil
}

// attack sends a frame on connections of alice's, with an allocation or
// without, and measures.
func (e StreamEnv) attack(frame []byte, authenticated bool) (l Load, err error) {
	conns, err := e.dialAll(authenticated)
	for _, c := range conns {
		defer c.Close() // after an error; twice is harmless
	}
	for _, c := range conns {
		if err == nil {
			_, err = c.Write(frame)
		}
	}
	if err == nil {
		l.Open, err = e.cores(time.Second)
	}
	if err != nil {
		return l, err
	}
	l.Unserved = e.serve()
	for _, c := range conns {
		if closed(c) {
			l.Closed++
		}
		_ = c.Close()
	}
	l.Gone, err = e.cores(time.Second / 2)
	return l, err
}

// dialAll opens the connections. After an error it returns those that are open.
func (e StreamEnv) dialAll(allocate bool) (conns []net.Conn, err error) {
	for range e.Conns {
		c, err := e.Dial()
		if err != nil {
			return conns, err
		}
		conns = append(conns, c)
		if !allocate {
			continue
		}
		if r, err := NewStreamClient(c, e.Alice).Allocate(); err != nil || !r.OK() {
			return conns, fmt.Errorf("%s gets no allocation: %s", e.Alice.Name, answer(r, err))
		}
	}
	return conns, nil
}

// serve has bob allocate on a connection of his own.
func (e StreamEnv) serve() error {
	c, err := e.Dial()
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	r, err := NewStreamClient(c, e.Bob).Allocate()
	if err == nil && !r.OK() {
		err = errors.New(r.String())
	}
	return err
}

// cores is how many processor cores the server uses on average over a time.
func (e StreamEnv) cores(over time.Duration) (float64, error) {
	before, err := e.CPU()
	if err != nil {
		return 0, err
	}
	start := time.Now()
	time.Sleep(over) // what is measured, not what is waited for
	after, err := e.CPU()
	return float64(after-before) / float64(time.Since(start)), err
}

// closed reports whether the other end has closed a connection.
func closed(c net.Conn) bool {
	if err := c.SetReadDeadline(time.Now().Add(grace)); err != nil {
		return true
	}
	_, err := c.Read(make([]byte, 1))
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
}

// NewStreamClient returns a client over a connection that is ready for TURN. It
// pads nothing: over a stream ChannelData must be of whole words (RFC 8656
// section 12.5).
func NewStreamClient(conn net.Conn, user User) *Client {
	c := NewClient(turn.NewSTUNConn(conn), netip.MustParseAddrPort(conn.RemoteAddr().String()), user)
	c.Timeout = patience // nothing is lost on the way
	return c
}

// ProcessCPU is the processor time, of user and system, that a process has used
// so far. It needs Linux.
func ProcessCPU(pid int) (time.Duration, error) {
	name := "/proc/" + strconv.Itoa(pid) + "/stat"
	stat, err := os.ReadFile(name)
	if err != nil {
		return 0, fmt.Errorf("relaytest: %w", err)
	}
	return parseCPU(name, string(stat))
}

// tick is the unit of times in /proc: USER_HZ is 100 wherever Go runs.
const tick = 10 * time.Millisecond

// parseCPU reads fields 14 and 15 of proc_pid_stat(5). The second is the
// command in parentheses, which may hold anything.
func parseCPU(name, stat string) (time.Duration, error) {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0, fmt.Errorf("relaytest: %s: %d fields after the command", name, len(fields))
	}
	user, err := strconv.ParseUint(fields[11], 10, 62)
	system, err2 := strconv.ParseUint(fields[12], 10, 62)
	if err := errors.Join(err, err2); err != nil {
		return 0, fmt.Errorf("relaytest: %s: %w", name, err)
	}
	return time.Duration(user+system) * tick, nil
}
