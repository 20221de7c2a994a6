package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// signals is what the supervisor, or a person at the terminal, asks of a
// running server.
type signals struct {
	// ended ends at the second SIGTERM or SIGINT: whatever still runs ends now.
	// A third one ends the process on the spot.
	ended context.Context
	// drain ends at the first.
	drain context.Context
	// reload has a value for each SIGHUP.
	reload chan struct{}
}

// catchSignals takes signals until stop is called. At a terminal SIGHUP means
// that it was closed, and ends the process as it always does.
func catchSignals(ctx context.Context) (s *signals, stop func()) {
	raw := make(chan os.Signal, 8)
	signal.Notify(raw, os.Interrupt, syscall.SIGTERM)
	if !isTerminal(os.Stdin) {
		signal.Notify(raw, syscall.SIGHUP)
	}
	// A log whose reader is gone fails its lines, and not the process.
	signal.Ignore(syscall.SIGPIPE)
	ended, end := context.WithCancel(ctx)
	drain, begin := context.WithCancel(ctx)
	s = &signals{ended: ended, drain: drain, reload: make(chan struct{}, 1)}
	go s.run(raw, begin, end)
	return s, func() {
		signal.Stop(raw)
		end()
		begin()
	}
}

func (s *signals) run(raw <-chan os.Signal, begin, end func()) {
	for {
		select {
		case <-s.ended.Done():
			return
		case sig := <-raw:
			switch {
			case sig == syscall.SIGHUP:
				select {
				case s.reload <- struct{}{}:
				default: // one is waiting, and it will read what is there then
				}
			case s.drain.Err() != nil:
				signal.Reset(os.Interrupt, syscall.SIGTERM)
				end()
				return
			default:
				begin()
			}
		}
	}
}
