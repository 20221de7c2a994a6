package pure_test

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	"turnpike/relay/relaytest/wire"
	"turnpike/relay/relaytest/wire/pure"
)

// spoiler stands between a client and the gate.
type spoiler struct {
	wire.Conn
	ahead func(request []byte) (answer []byte) // before the gate's answer
	spoil func(answer []byte) []byte
	mine  [][]byte
}

func (s *spoiler) Write(b []byte) error {
	if answer := s.ahead(b); answer != nil {
		s.mine = append(s.mine, answer)
	}
	return s.Conn.Write(b)
}

func (s *spoiler) Read() ([]byte, error) {
	if len(s.mine) > 0 {
		b := s.mine[0]
		s.mine = s.mine[1:]
		return b, nil
	}
	b, err := s.Conn.Read()
	if err != nil {
		return nil, err
	}
	return s.spoil(b), nil
}

// talkative answers everything but the Binding that shows silence.
func talkative(request []byte) []byte {
	if len(request) == 20 && bytes.HasPrefix(request, []byte("\x00\x01\x00\x00\x21\x12\xA4\x42")) {
		return nil
	}
	return append([]byte{1, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42}, "not asked for"[:12]...)
}

func mute([]byte) []byte { return nil }

// withSoftware adds SOFTWARE to a response.
func withSoftware(b []byte) []byte {
	b = append(b, 0x80, 0x22, 0, 4, 't', 'e', 's', 't')
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)-20))
	return b
}

func same(b []byte) []byte { return b }

// Each case notices an attribute too many, or an answer too many, or both: there
// is none that the gate could not fail.
func TestEveryCaseCanFail(t *testing.T) {
	g, err := pure.New()
	if err != nil {
		t.Fatal(err)
	}
	spoiled := func(c *wire.Entry, over wire.Over, ahead, spoil func([]byte) []byte) error {
		s := g.Server(c.Setting)
		dial := s.Dial
		s.Dial = func(over wire.Over, local netip.AddrPort) (wire.Conn, error) {
			conn, err := dial(over, local)
			return &spoiler{Conn: conn, ahead: ahead, spoil: spoil}, err
		}
		_, err := c.Run(s, over, 0)
		return err
	}
	tooMuch, unasked := 0, 0
	for _, c := range wire.Cases() {
		over := first(&c)
		if err := spoiled(&c, over, mute, same); err != nil {
			t.Fatalf("%s: not spoiled, but %v", c.Key(), err)
		}
		software, talks := spoiled(&c, over, mute, withSoftware), spoiled(&c, over, talkative, same)
		if software == nil && talks == nil {
			t.Errorf("%s: passes with SOFTWARE in every answer, and with an answer to everything", c.Key())
		}
		if software != nil {
			tooMuch++
		}
		if talks != nil {
			unasked++
		}
	}
	t.Logf("of %d cases %d notice SOFTWARE, %d an answer nobody asked for", len(wire.Cases()), tooMuch, unasked)
}

// first is the first transport of a case.
func first(c *wire.Entry) wire.Over {
	for _, over := range wire.Transports() {
		if c.Runs(over) {
			return over
		}
	}
	return 0
}
