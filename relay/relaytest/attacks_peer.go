package relaytest

import (
	"fmt"
	"net/netip"
)

// payload is what an attack relays. One Env serves one attack, so it need not
// tell them apart.
var payload = []byte("turnpike: this must not arrive")

// badChannel is a valid number for a channel to an invalid peer.
const badChannel = 0x4001

// peerAttacks are the four ways to a peer that nobody may reach: two grants
// and the two forms of data. Data is sent whether or not it was granted.
func peerAttacks(addr netip.Addr, source string) []Attack {
	attack := func(what string, try func(Env, *Client, netip.AddrPort) Result) Attack {
		return Attack{what + " " + addr.String(), source, func(env Env) Result {
			alice, err := env.allocate(env.Alice)
			if err != nil {
				return failure(err)
			}
			return try(env, alice, netip.AddrPortFrom(addr, env.Canary.Addr().Port()))
		}}
	}
	return []Attack{
		attack("permission for", permissionFor),
		attack("channel to", channelTo),
		attack("Send to", sendTo),
		attack("ChannelData to", channelDataTo),
	}
}

func permissionFor(_ Env, alice *Client, peer netip.AddrPort) Result {
	r, err := alice.CreatePermission(peer)
	return Result{Succeeded: err == nil && r.OK(), Saw: answer(r, err)}
}

func channelTo(_ Env, alice *Client, peer netip.AddrPort) Result {
	r, err := alice.ChannelBind(badChannel, peer)
	return Result{Succeeded: err == nil && r.OK(), Saw: answer(r, err)}
}

func sendTo(env Env, alice *Client, peer netip.AddrPort) Result {
	saw := answer(alice.CreatePermission(peer))
	return reach(alice, env.Canary, saw, func() error { return alice.Send(peer, payload) })
}

func channelDataTo(env Env, alice *Client, peer netip.AddrPort) Result {
	saw := answer(alice.ChannelBind(badChannel, peer))
	return reach(alice, env.Canary, saw, func() error { return alice.SendChannel(badChannel, payload) })
}

// reach sends, and succeeds if the payload arrives at the ear. granted is how
// the server answered the request for leave.
func reach(c *Client, ear *Ear, granted string, send func() error) Result {
	if err := send(); err != nil {
		return failure(err)
	}
	if err := settle(c); err != nil {
		return failure(err)
	}
	heard, err := ear.Heard(payload)
	if err != nil {
		return failure(fmt.Errorf("the ear is deaf: %w", err))
	}
	return Result{Succeeded: heard, Saw: fmt.Sprintf("asked for leave: %s; delivered: %t", granted, heard)}
}
