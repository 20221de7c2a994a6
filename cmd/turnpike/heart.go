package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"turnpike/pkg/probe"
	"turnpike/relay"
	"turnpike/relay/gate"
)

const (
	// beatEvery is how often the server asks itself, unless a watchdog wants it
	// more often.
	beatEvery = 10 * time.Second
	// beatPatience is how long it waits for its own answer.
	beatPatience = 3 * time.Second
	// missed is how many beats may fail before the server calls itself unready.
	missed = 3
)

// heart asks the server's own listener for a Binding, over the network as a
// client does. So what it proves is the data path: socket, worker, gate and
// answer, and not that a timer still runs.
type heart struct {
	begun  atomic.Bool  // the service manager has been told that we are ready
	failed atomic.Int32 // beats in a row
	last   atomic.Pointer[string]
}

// ready says what is wrong, or nothing.
func (h *heart) ready() []string {
	if h.failed.Load() < missed {
		return nil
	}
	return []string{*h.last.Load()}
}

// own picks the listener to ask: UDP if there is one, and none that wants a
// PROXY header from us. nil: there is no such listener.
func own(bound []relay.Bound, listen []relay.Listener) (at *relay.Bound) {
	for _, b := range bound {
		if b.Transport == gate.UDP {
			return &b
		}
		if at == nil && !wantsProxy(b, listen) {
			at = &b
		}
	}
	return at
}

func wantsProxy(b relay.Bound, listen []relay.Listener) bool {
	for _, l := range listen {
		if l.Addr == b.Addr && slices.ContainsFunc(l.ProxyFrom, func(p netip.Prefix) bool { return p.Contains(b.Addr.Addr()) }) {
			return true
		}
	}
	return false
}

// run beats until ctx ends. The first beat that succeeds makes the service
// ready for its manager, each one feeds the watchdog. at is the listener to ask;
// without one nothing is asked.
func (h *heart) run(ctx context.Context, at *relay.Bound, sessions func() int, log *logs) {
	every := beatEvery
	watchdog, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("the service manager's watchdog can't be understood", "error", err)
	}
	if watchdog > 0 {
		every = min(every, watchdog/2)
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if at == nil || h.beat(ctx, *at) {
			if !h.begun.Swap(true) {
				notify(log, ready)
			}
			notify(log, alive)
			notifyStatus(log, sessions())
		} else if h.failed.Load() == missed {
			log.Warn("the server does not hear itself", "reason", *h.last.Load())
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (h *heart) beat(ctx context.Context, at relay.Bound) bool {
	limited, cancel := context.WithTimeout(ctx, beatPatience)
	defer cancel()
	o := probe.Options{Local: at.Addr.Addr()}
	if at.Transport == gate.TLS {
		// Whether somebody else would trust the certificate is not the question.
		o.TLS = &tls.Config{InsecureSkipVerify: true}
	}
	_, err := probe.Binding(limited, at.Transport.String(), at.Addr, o)
	if err == nil {
		h.failed.Store(0)
		return true
	}
	why := fmt.Sprintf("no answer to a Binding request from %s %s: %v", at.Transport, at.Addr, err)
	h.last.Store(&why)
	h.failed.Add(1)
	return false
}
