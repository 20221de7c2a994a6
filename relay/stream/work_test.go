package stream

import (
	"bytes"
	"testing"

	"turnpike/relay/relaytest"
)

// A message that comes byte by byte costs each byte the same: twice as long a
// one takes twice the work, not four times. The negative control looks at all
// that is there whenever a byte comes, as a framer does that begins anew.
func TestByteByByte(t *testing.T) {
	c, _ := framer(t)
	defer c.watch.close()
	whole := channelData(4096 - channelHeader)
	half := channelData(2048 - channelHeader)
	bytewise := func(message []byte) func() error {
		return func() error {
			for i := range message {
				feed(c, message[i:i+1])
			}
			return nil
		}
	}
	anew := func(message []byte) func() error {
		return func() error {
			for i := range message {
				bytes.Count(message[:i], []byte{0xff})
			}
			return nil
		}
	}
	taken, err := relaytest.Interleave(200, map[string]func() error{
		"half": bytewise(half), "whole": bytewise(whole),
		"half, anew": anew(half), "whole, anew": anew(whole),
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.in != (input{}) {
		t.Errorf("%d bytes are left of whole messages", len(c.in.bytes()))
	}
	for _, way := range []struct {
		name   string
		linear bool
	}{{"", true}, {", anew", false}} {
		ratio := taken["whole"+way.name].Least() / taken["half"+way.name].Least()
		t.Logf("twice the bytes%s: %.2f times the work", way.name, ratio)
		if linear := ratio < 2.8; linear != way.linear {
			t.Errorf("twice the bytes%s: %.2f times the work", way.name, ratio)
		}
	}
}
