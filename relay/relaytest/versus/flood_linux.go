package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"github.com/pion/stun/v3"

	"turnpike/relay/relaytest"
)

// attack is a flood on its way.
type attack struct {
	flood
	forger  *relaytest.Forger
	tap     *relaytest.Tap
	to      netip.AddrPort
	message []byte
	known   net.PacketConn // of the one source, if there is one
	did     flooded
}

// runFlood plays a flood until the context ends, and writes what it did. It
// waits for what is still under way to its addresses, for as long as a busy
// server may take.
func runFlood(ctx context.Context, args []string, out io.Writer) error {
	f, err := parseFlood(args)
	if err != nil {
		return err
	}
	begin := time.Now()
	var did flooded
	if f.kind == halfTLS {
		did, err = f.connect(ctx)
	} else {
		did, err = f.send(ctx)
	}
	if err != nil {
		return err
	}
	did.Seconds = time.Since(begin).Seconds()
	return json.NewEncoder(out).Encode(did)
}

// floodTick is how often a flood looks what is due.
const floodTick = time.Millisecond

// settleFlood is how long what was answered may be under way.
const settleFlood = 100 * time.Millisecond

func (f flood) send(ctx context.Context) (did flooded, err error) {
	a := attack{flood: f, to: netip.AddrPortFrom(serverHost, plainPort)}
	if a.tap, err = relaytest.NewTap("load0", true); err != nil {
		return did, err
	}
	defer a.tap.Close()
	if a.forger, err = relaytest.NewForger(); err != nil {
		return did, err
	}
	defer a.forger.Close()
	if err := a.prepare(); err != nil {
		return did, err
	}
	if a.known != nil {
		defer func() { _ = a.known.Close() }()
	}
	if err := a.count(); err != nil {
		return did, err
	}
	a.did = flooded{} // the challenge is no part of it
	tick := time.NewTicker(floodTick)
	defer tick.Stop()
	for begin := time.Now(); ctx.Err() == nil; <-tick.C {
		for n := min(due(f.rate, time.Since(begin), a.did.Sent), f.rate/20); n > 0; n-- {
			if err := a.one(); err != nil {
				return a.did, err
			}
		}
		if err := a.count(); err != nil {
			return a.did, err
		}
	}
	time.Sleep(settleFlood)
	return a.did, a.count()
}

// prepare builds the message that is sent, again and again.
func (a *attack) prepare() (err error) {
	method, attrs := stun.MethodAllocate, []stun.Setter{relaytest.RequestedTransport(17)}
	client := &relaytest.Client{User: relaytest.User{Name: fmt.Sprintf("%d:mallory", time.Now().Add(time.Hour).Unix()), Password: "a guess"}}
	switch a.kind {
	case closedPort:
		a.to = netip.AddrPortFrom(serverHost, 9)
	case forgedBindings:
		method, attrs = stun.MethodBinding, nil
	case forgedMACs:
		client.Realm, client.Nonce = realm, "AAAAAAAAAAAAAAAA"
	case wrongMACs:
		from := netip.AddrPortFrom(strangerNet.Addr().Next(), 4000)
		if a.known, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(from)); err != nil {
			return err
		}
		client.Conn, client.Server, client.Timeout = a.known, a.to, 4*time.Second
		r, err := client.Allocate() // signed with what it has been challenged to use
		if err != nil || client.Nonce == "" {
			return fmt.Errorf("no challenge: %v %w", r, err)
		}
	}
	a.message, err = client.Request(method, attrs, nil)
	return err
}

// one sends the message, of another transaction each time. A full queue of the
// wire is no fault of the flood's: it goes on.
func (a *attack) one() error {
	from := netip.AddrPortFrom(forgedNet.Addr(), uint16(1024+rand.IntN(60000)))
	b := from.Addr().As4()
	b[1], b[2], b[3] = byte(rand.IntN(256)), byte(rand.IntN(256)), byte(1+rand.IntN(254))
	from = netip.AddrPortFrom(netip.AddrFrom4(b), from.Port())
	if a.known != nil {
		from = netip.MustParseAddrPort(a.known.LocalAddr().String())
	}
	a.message[8+rand.IntN(12)] = byte(rand.IntN(256))
	if err := a.forger.Send(from, a.to, a.message); err != nil {
		return fmt.Errorf("after %d messages: %w", a.did.Sent, err)
	}
	a.did.Sent++
	a.did.SentBytes += len(a.message)
	return nil
}

// count enters what has come back to the flood's addresses.
func (a *attack) count() error {
	return a.tap.Drain(func(p relaytest.Passed) {
		if forgedNet.Contains(p.To.Addr()) || strangerNet.Contains(p.To.Addr()) {
			a.did.Replies++
			a.did.ReplyBytes += len(p.Payload)
		}
	})
}
