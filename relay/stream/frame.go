package stream

import (
	"encoding/binary"

	"turnpike/relay/dataplane"
)

const (
	stunHeader    = 20
	channelHeader = 4
	magicCookie   = 0x2112A442
	dataType      = 0x0017 // method Data, class indication
)

// isSTUN and isChannelData tell what a message begins with. Methods beyond 0x7F
// are assigned to nobody, so STUN begins with two zero bits and, in practice,
// with seven; ChannelData with 01 (RFC 7983 §7, and RFC 5766 up to 0x7FFF).
func isSTUN(first byte) bool        { return first <= 0x01 }
func isChannelData(first byte) bool { return first>>6 == 1 }

// measure reads the lengths of the message that b begins with: n of itself,
// and wire with the padding that ChannelData has over a stream (RFC 8656
// §12.5). wire is 0 while too little is there to tell. Not Alive: no message
// begins like this, or none that we take. b has one byte at least.
//
// All is done in int: in 16 bits header, length and padding wrap around to a
// message without bytes, which never ends (pion/turn pull request 593).
func measure(b []byte) (n, wire int, fault Reason) {
	stun := isSTUN(b[0])
	if !stun && !isChannelData(b[0]) {
		return 0, 0, Malformed
	}
	if len(b) < 4 {
		return 0, 0, Alive
	}
	length := int(binary.BigEndian.Uint16(b[2:]))
	switch {
	case !stun:
		n = channelHeader + length
	case length%4 != 0: // RFC 8489 §5
		return 0, 0, Malformed
	default:
		n = stunHeader + length
	}
	if n > maxMessage {
		return 0, 0, Oversize
	}
	if stun && len(b) >= 8 && binary.BigEndian.Uint32(b[4:]) != magicCookie {
		return 0, 0, Malformed
	}
	return n, padded(n), Alive
}

func padded(n int) int { return (n + 3) &^ 3 }

// isData reports whether a message of ours carries a peer's data, which may be
// lost, and is no answer.
func isData(b []byte) bool {
	return len(b) >= 2 && (isChannelData(b[0]) || binary.BigEndian.Uint16(b) == dataType)
}

// messages hands on what the client sends, until the connection is over.
func (c *Conn) messages() Reason {
	for {
		r := c.whole()
		if r == Alive {
			r = c.over()
		}
		if r != Alive {
			return r
		}
		if c.reader.fill(&c.in) != nil {
			return ClosedByClient
		}
	}
}

// whole hands on the messages that are there as a whole.
func (c *Conn) whole() Reason {
	for len(c.in.bytes()) > 0 && c.over() == Alive {
		messages, fault := c.in.cut()
		switch {
		case len(messages) > 0:
			c.frames(messages)
		case fault != Alive:
			return fault
		default:
			if !c.begun {
				c.begun = true
				c.watch.start(clockFrame, c.s.o.FrameTime)
			}
			return Alive
		}
	}
	return Alive
}

// frames hands on messages. They are framed anew where they lie.
func (c *Conn) frames(messages []dataplane.Span) {
	if c.begun {
		c.begun = false
		c.watch.stop(clockFrame)
	}
	if !c.known {
		c.known = true
		c.watch.stop(clockFirstFrame)
	}
	taken := c.s.o.Frame(c, c.in.all(), messages)
	for taken < len(messages) && c.over() == Alive {
		taken += c.s.o.Frame(c, c.in.all(), messages[taken:])
	}
	last := messages[taken-1]
	c.in.take(int(last.From) + padded(int(last.To-last.From)) - c.in.start)
}
