package main

import (
	"fmt"

	"github.com/coreos/go-systemd/v22/daemon"
)

// What a service manager is told (sd_notify(3)). Without $NOTIFY_SOCKET nobody
// is.
const (
	ready    = daemon.SdNotifyReady
	stopping = daemon.SdNotifyStopping
	alive    = daemon.SdNotifyWatchdog
)

// notify tells the service manager a state.
func notify(log *logs, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("the service manager could not be told", "state", state, "error", err)
	}
}

// notifyReloading tells that a reload has begun; ready follows it.
// Type=notify-reload wants to know when that was.
func notifyReloading(log *logs) {
	notify(log, daemon.SdNotifyReloading+"\n"+daemon.SdNotifyMonotonicUsec())
}

// notifyStatus tells people, in `systemctl status`, what goes on.
func notifyStatus(log *logs, sessions int) {
	notify(log, fmt.Sprintf("STATUS=%d allocations", sessions))
}
