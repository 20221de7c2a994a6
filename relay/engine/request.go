package engine

import (
	"errors"
	"net/netip"
	"time"

	"turnpike/relay/dataplane"
)

const (
	// MaxLifetime is the longest lifetime of an Allocate or a Refresh: with the
	// slack on top it stays below 3600 s, from where on pion silently makes it
	// 600 s (pion internal/server/util.go:152-163).
	MaxLifetime = 3540 * time.Second

	// MaxPeers is the most peers of one CreatePermission.
	MaxPeers = 128

	// wireLimit is the longest lifetime that pion keeps as given.
	wireLimit = 3599 * time.Second
)

// Errors of [Result] and of [Engine.Do]. None of them comes from pion: a
// request with one of the first four was never shown to it.
var (
	ErrLeg      = errors.New("engine: leg is nil, of another engine, or has ended: make a new one with NewLeg")
	ErrMethod   = errors.New("engine: no such method")
	ErrLifetime = errors.New("engine: lifetime out of range: clamp it to MaxLifetime; only Refresh may have 0")
	ErrPeer     = errors.New("engine: peers invalid: 1 to MaxPeers addresses without zone; ChannelBind needs a port and a channel from 0x4000 to 0x7FFF")
	// ErrFault means pion's answer was not one to this request. What pion made
	// of it is unknown: end the leg.
	ErrFault = errors.New("engine: pion's answer does not fit the request: end the leg")
	// ErrClosed means the request came after Close.
	ErrClosed = errors.New("engine: closed")
)

// Method is what a request asks for (RFC 8656 §7, §8, §10, §12).
type Method uint8

// The methods of a TURN server that change its state.
const (
	Allocate Method = iota + 1
	Refresh
	CreatePermission
	ChannelBind
)

// Request is one request of a client, judged, as values.
type Request struct {
	Leg    *Leg
	Method Method
	// Lifetime is what the client is granted, for Allocate and Refresh: more
	// than 0 and at most MaxLifetime. A Refresh with 0 ends the leg.
	Lifetime time.Duration
	// Peers are the addresses of a CreatePermission; their ports do not
	// matter. The slice is read until the request is done.
	Peers []netip.AddrPort
	// Channel and Peer belong to ChannelBind. Channel is 0x4000 to 0x7FFF
	// (RFC 8656 §12).
	Channel uint16
	Peer    netip.AddrPort
}

// Result is what became of a request. It is a success if Code is 0, Unanswered
// is false and Err is nil.
type Result struct {
	// Code is 0, or the STUN error code that pion answered: 437 (Allocate on
	// an open leg), 508 (open failed), 400 (channel or peer already bound
	// otherwise).
	Code int
	// Unanswered means there is no such allocation. pion is silent where RFC
	// 8656 wants a 437 (pion internal/server/turn.go:254-256, 286, 383).
	Unanswered bool
	// Lifetime is the granted lifetime of a successful Allocate or Refresh: the
	// one of the request, without the slack.
	Lifetime time.Duration
	// Relayed is the relayed transport address of a successful Allocate.
	Relayed netip.AddrPort
	// Err is set if the request was not served as it was meant: one of the
	// errors of this package.
	Err error
}

// OK tells whether the request succeeded.
func (r Result) OK() bool { return r.Code == 0 && !r.Unanswered && r.Err == nil }

// ends tells whether the request ends its leg.
func (r *Request) ends() bool { return r.Method == Refresh && r.Lifetime == 0 }

// check keeps from pion whatever it does not judge itself. It repeats what the
// caller judged, for the price of a few comparisons: an unvalidated value in
// here is a fault that no client may be able to use.
func (r *Request) check() error {
	switch r.Method {
	case Allocate, Refresh:
		if r.Lifetime < 0 || r.Lifetime > MaxLifetime || r.Lifetime == 0 && r.Method == Allocate {
			return ErrLifetime
		}
	case CreatePermission:
		if len(r.Peers) == 0 || len(r.Peers) > MaxPeers {
			return ErrPeer
		}
		for _, p := range r.Peers {
			if !plain(p.Addr()) {
				return ErrPeer
			}
		}
	case ChannelBind:
		// pion takes any number and port 0 (pion internal/server/turn.go:398-410).
		if r.Channel < dataplane.MinChannel || r.Channel > dataplane.MaxOldChannel || r.Peer.Port() == 0 || !plain(r.Peer.Addr()) {
			return ErrPeer
		}
	default:
		return ErrMethod
	}
	return nil
}

// plain tells whether the address is one that fits on the wire.
func plain(a netip.Addr) bool { return a.IsValid() && a.Zone() == "" }

// wireSeconds is the lifetime that pion is given for a granted one, in the
// whole seconds of a LIFETIME attribute (RFC 8656 §18.2), rounded up: the slack
// only ever grows.
func wireSeconds(granted, slack time.Duration) uint32 {
	if granted == 0 {
		return 0
	}
	return uint32((granted + slack + time.Second - 1) / time.Second)
}
