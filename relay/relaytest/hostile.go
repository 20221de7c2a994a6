package relaytest

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/pion/stun/v3"
)

// Env is a server under attack and the hosts around it. One attack gets one
// Env: it may leave the server dead.
type Env struct {
	Server netip.AddrPort // where it serves UDP clients
	// Alice and Bob are users who may both allocate. A credential is a name
	// and a password; the server's kind of user does not matter.
	Alice, Bob User

	// NewConn opens a socket of the clients' host: always the same address,
	// a new port each time. NewPeer opens one of another host, which the
	// server lets anybody relay to. Both are the Env's to close.
	NewConn, NewPeer func() net.PacketConn

	// Canary hears what reaches the server's host by an address nobody may
	// relay to. It listens at 0.0.0.0.
	Canary *Ear

	// Died reports whether the server's process is gone. It never waits.
	Died func() bool
}

// Result is what came of an attack.
type Result struct {
	Succeeded bool
	// Saw tells how the server took it, for the reader of a failed test.
	Saw string
	// Err says that the attack could not be carried out, so that Succeeded
	// means nothing.
	Err error
}

// Attack is one hostile input.
type Attack struct {
	Name   string
	Source string // where it is known from: a CVE, an RFC section, an upstream thread
	Run    func(Env) Result
}

// Hostile lists the attacks on a TURN server over UDP. Each succeeds against
// an unguarded pion/turn v4.1.4.
func Hostile() []Attack {
	attacks := []Attack{
		{"crash by a short Send indication", "pion/stun#278", crashBySend},
		{"another user deletes the allocation", "RFC 8656 section 5, pion/turn#120", deleteOfAnother},
		{"another user adds a permission", "RFC 8656 section 5, pion/turn#120", permissionOfAnother},
		{"a peer appended after MESSAGE-INTEGRITY", "RFC 8489 section 14.5", appendedPeer},
		{"an Allocate replayed from another port", "RFC 8489 section 9.2, pion/turn#168", replayedAllocate},
		{"channel number below the range", "RFC 8656 section 12", bindChannel(0x3fff)},
		{"channel number above the range", "RFC 8656 section 12", bindChannel(0x9000)},
		{"Refresh without an allocation left unanswered", "RFC 8656 section 4, pion/turn#200", unansweredRefresh},
	}
	for _, p := range []struct{ addr, source string }{
		{"::ffff:127.0.0.1", "CVE-2026-27624"},
		{"0.0.0.0", "CVE-2020-26262"},
	} {
		attacks = append(attacks, peerAttacks(netip.MustParseAddr(p.addr), p.source)...)
	}
	return attacks
}

// HostileFails runs every attack, each in an Env of its own, and fails the
// test for each that gets through or can't be carried out. This is the proof
// for the relay.
func HostileFails(t *testing.T, newEnv func(*testing.T) Env) {
	t.Helper()
	runHostile(t, newEnv, false)
}

// HostileSucceeds is the reverse, the negative control: it fails the test for
// each attack that does not get through.
func HostileSucceeds(t *testing.T, newEnv func(*testing.T) Env) {
	t.Helper()
	runHostile(t, newEnv, true)
}

func runHostile(t *testing.T, newEnv func(*testing.T) Env, want bool) {
	t.Helper()
	for _, a := range Hostile() {
		t.Run(a.Name, func(t *testing.T) {
			env := newEnv(t)
			r := a.Run(env)
			if err := check(r, want, env.Died()); err != nil {
				t.Fatalf("%v (%s)", err, a.Source)
			}
			t.Logf("succeeded: %t; saw: %s", r.Succeeded, r.Saw)
		})
	}
}

// check compares a result with what it should be. A server that is to fend an
// attack off must be alive afterwards, whatever the attack was after.
func check(r Result, want, died bool) error {
	switch {
	case r.Err != nil:
		return fmt.Errorf("the attack could not be carried out: %w", r.Err)
	case r.Succeeded && !want:
		return fmt.Errorf("the attack got through: %s", r.Saw)
	case !r.Succeeded && want:
		return fmt.Errorf("the attack was fended off: %s", r.Saw)
	case died && !want:
		return fmt.Errorf("the attack killed the server: %s", r.Saw)
	}
	return nil
}

// allocate gives user an allocation on a new five-tuple.
func (e Env) allocate(user User) (*Client, error) {
	c := NewClient(e.NewConn(), e.Server, user)
	r, err := c.Allocate()
	if err == nil && !r.OK() {
		err = errors.New(r.String())
	}
	if err != nil {
		return nil, fmt.Errorf("%s gets no allocation: %w", user.Name, err)
	}
	return c, nil
}

// settle returns when the server has dealt with everything that c sent before:
// one socket's datagrams are served in order.
func settle(c *Client) error {
	b, err := build(stun.MethodBinding, stun.ClassRequest)
	if err == nil {
		_, err = c.Exchange(b)
	}
	if err != nil {
		return fmt.Errorf("no Binding response: %w", err)
	}
	return nil
}

// answer puts a response, or the lack of one, in words.
func answer(r Response, err error) string {
	if err != nil {
		return err.Error()
	}
	return r.String()
}

// failure is the Result of an attack that could not be carried out.
func failure(err error) Result { return Result{Err: err} }
