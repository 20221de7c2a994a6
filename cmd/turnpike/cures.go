package main

import (
	"errors"
	"fmt"
	"log/slog"
	"syscall"
)

// listenFault is an error of opening what a key of the configuration names,
// with the cure if the system's words say of what.
func listenFault(key string, err error) error {
	for _, c := range []struct {
		is   error
		cure string
	}{
		{syscall.EADDRINUSE, "another process has it (ss -lntup tells which): end that one, or change " + key},
		{syscall.EADDRNOTAVAIL, "name an address of this host in " + key},
		{syscall.EACCES, "a port under 1024 takes CAP_NET_BIND_SERVICE, a unix socket a folder that this user may write to: give that, or change " + key},
		{syscall.ENOENT, "make the folder of the unix socket, or change " + key},
		{syscall.EMFILE, "raise the limit of file descriptors (LimitNOFILE=, ulimit -n)"},
	} {
		if errors.Is(err, c.is) {
			return fmt.Errorf("%w; %s", err, c.cure)
		}
	}
	return err
}

// spareFiles are descriptors for all that is neither a client's connection nor
// a relay socket: listeners, HTTP, files.
const spareFiles = 512

// descriptors are how many the settings allow to be in use.
func (s *settings) descriptors() (most uint64) {
	streams := false
	for _, l := range s.Listen {
		streams = streams || l.TCP || l.TLS
	}
	if streams {
		most = uint64(s.Streams.MaxConns)
	}
	for _, r := range s.Relays {
		most += uint64(r.MaxPort-r.MinPort) + 1
	}
	return most + spareFiles
}

// fitFiles has connections take no more than half of the descriptors, and warns
// of a limit that a busy server meets before those of its configuration. Anybody
// can connect: allocations, health and the server's own beat need some as well.
// The runtime has raised the limit to the hard one.
func fitFiles(log *slog.Logger, s *settings, limit uint64) {
	most := s.descriptors()
	if limit >= most {
		return
	}
	s.Streams.MaxConns = int(min(uint64(s.Streams.MaxConns), max(limit/2, 1)))
	log.Warn("few file descriptors: beyond them connections and allocations are refused", "limit", limit, "configured_for", most,
		"connections", s.Streams.MaxConns,
		"hint", "raise the hard limit (LimitNOFILE=, ulimit -Hn), or lower streams.max_connections or the relay ports")
}
