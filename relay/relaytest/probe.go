package relaytest

import (
	"fmt"
	"net/netip"
)

// ProbePort is the peers': nothing listens there, and no rule knows it.
const ProbePort = 40404

// probePayload is of whole words, as ChannelData is over a stream (RFC 8656
// §12.5).
var probePayload = []byte("turnpike: nothing of this leaves")

// Forbidden is a peer that nobody may reach, and why.
type Forbidden struct {
	Peer netip.Addr
	Form string // "itself", or one of Encodings
	Of   netip.Prefix
}

// ForbiddenPeers are the first, middle and last address of every range, those
// of IPv4 in every form.
func ForbiddenPeers(ranges []netip.Prefix) (all []Forbidden) {
	for _, r := range ranges {
		for _, a := range Samples(r) {
			all = append(all, Forbidden{a, "itself", r})
			if !a.Is4() {
				continue
			}
			for _, e := range Encodings(a) {
				all = append(all, Forbidden{e.Addr, e.Form, r})
			}
		}
	}
	return all
}

// Tally is what came of probes.
type Tally struct {
	Tried    int
	Accepted int            // requests that were granted
	Codes    map[string]int // answers to requests
	Forms    map[string]int // of what was granted
}

// Probe tries a peer in every way there is: CreatePermission, Send, ChannelBind
// and ChannelData, the two of data whatever was answered. What left is for a
// [Tap] to tell.
func (y *Tally) Probe(c *Client, peer Forbidden, channel uint16) error {
	at := netip.AddrPortFrom(peer.Peer, ProbePort)
	for _, way := range []struct {
		ask  func() (Response, error)
		send func() error
	}{
		{func() (Response, error) { return c.CreatePermission(at) }, func() error { return c.Send(at, probePayload) }},
		{func() (Response, error) { return c.ChannelBind(channel, at) }, func() error { return c.SendChannel(channel, probePayload) }},
	} {
		r, err := way.ask()
		if err == nil {
			y.enter(r, peer)
			err = way.send()
		}
		if err != nil {
			return fmt.Errorf("relaytest: %s (%s in %s): %w", peer.Peer, peer.Form, peer.Of, err)
		}
	}
	return nil
}

func (y *Tally) enter(r Response, peer Forbidden) {
	y.Tried += 2
	y.Codes[r.String()]++
	if r.OK() {
		y.Accepted++
		y.Forms[peer.Form]++
	}
}

// Settle returns when the server has dealt with all that c has sent, and has
// sent what came of it: what one round of its worker receives it may answer
// before it relays, so it takes a second round to know.
func (c *Client) Settle() error {
	for range 2 {
		if err := settle(c); err != nil {
			return err
		}
	}
	return nil
}
