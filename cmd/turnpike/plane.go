package main

import (
	"fmt"

	"turnpike/relay"
	"turnpike/relay/dataplane"
	"turnpike/relay/dataplane/std"
)

// The data planes of a configuration.
const (
	planeAuto = "auto"
	planeStd  = "std"
	planeMMSG = "mmsg"
)

func (l *loader) plane() planeSettings {
	c := l.c
	if c.DataPlane == planeMMSG && !haveMMSG {
		l.fault("data_plane", "write auto or std", "is mmsg, which takes Linux")
	}
	return planeSettings{
		Kind: c.DataPlane, Workers: c.MMSG.Workers, Coalesce: c.MMSG.Coalesce, NoGSO: c.MMSG.GSO == "off", NoGRO: c.MMSG.GRO == "off",
		NoICMP:         c.MMSG.ICMP == "off",
		ListenerBuffer: c.MMSG.ListenerBuffer, RelayBuffer: c.MMSG.RelayBuffer,
	}
}

// newPlane makes the data plane that is configured. Nothing is open yet.
func newPlane(s planeSettings) (dataplane.Plane, error) {
	switch {
	case s.Kind == planeStd, !haveMMSG:
		return std.New(std.Options{SocketBuffer: s.ListenerBuffer})
	default:
		return newMMSG(s)
	}
}

// logPlane tells which data plane serves, what it uses of the kernel, and what
// the operator can do for it.
func logPlane(log *logs, st relay.Stats) {
	for _, f := range st.PlaneCaps.Features {
		if f.Why != "" {
			log.Warn("the data plane does without "+f.Name, "reason", f.Why)
		}
	}
	for _, l := range st.Listeners {
		// The kernel counts its own part in, so it grants twice what is asked.
		if l.ReceiveBuffer > 0 && min(l.ReceiveBuffer, l.SendBuffer)/2 < l.Wanted {
			log.Warn("the kernel grants a listener smaller buffers than were asked for: bursts beyond them are lost",
				"listener", l.Addr.String(), "wanted", l.Wanted, "receive", l.ReceiveBuffer/2, "send", l.SendBuffer/2,
				"cure", fmt.Sprintf("sysctl -w net.core.rmem_max=%d net.core.wmem_max=%[1]d, or give the service CAP_NET_ADMIN; or lower mmsg.listener_buffer", l.Wanted))
		}
	}
}

// features are the names of what the plane uses, for the line that says it
// serves.
func features(caps dataplane.Caps) []string {
	names := []string{}
	for _, f := range caps.Features {
		if f.On {
			names = append(names, f.Name)
		}
	}
	return names
}
