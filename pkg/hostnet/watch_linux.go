package hostnet

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// addRoutes reads every routing table, the local one included, in which the
// kernel keeps what it takes for its own.
func (h *Host) addRoutes() error {
	dump, err := syscall.NetlinkRIB(unix.RTM_GETROUTE, unix.AF_UNSPEC)
	if err != nil {
		return err
	}
	messages, err := syscall.ParseNetlinkMessage(dump)
	if err != nil {
		return err
	}
	for _, m := range messages {
		if m.Header.Type == unix.RTM_NEWROUTE && len(m.Data) >= unix.SizeofRtMsg {
			h.addRoute(m)
		}
	}
	return nil
}

// addRoute takes an rtmsg (rtnetlink(7)): family, length of the destination,
// and at byte 7 the type of route.
func (h *Host) addRoute(m syscall.NetlinkMessage) {
	pre, ok := destination(m)
	if !ok {
		return
	}
	switch m.Data[7] {
	case unix.RTN_LOCAL, unix.RTN_ANYCAST: // the latter is a router's own address too, RFC 4291 §2.6.1
		if !pre.IsSingleIP() {
			h.addNetwork(pre)
			return
		}
		h.Addrs = append(h.Addrs, pre.Addr())
	case unix.RTN_BROADCAST:
		if pre.IsSingleIP() && pre.Addr().Is4() {
			h.Broadcasts = append(h.Broadcasts, pre.Addr())
		}
	case unix.RTN_UNICAST:
		h.addNetwork(pre)
	}
}

// destination is that of a route. The default route has no attribute for it.
func destination(m syscall.NetlinkMessage) (netip.Prefix, bool) {
	attrs, err := syscall.ParseNetlinkRouteAttr(&m)
	if err != nil {
		return netip.Prefix{}, false
	}
	for _, a := range attrs {
		if a.Attr.Type == unix.RTA_DST {
			addr, _ := netip.AddrFromSlice(a.Value)
			pre, err := addr.Prefix(int(m.Data[1]))
			return pre, err == nil
		}
	}
	return netip.Prefix{}, false
}

// settle is how long the host is left to change further before it is looked
// at: a VPN or a routing daemon changes many routes at once.
const settle = 100 * time.Millisecond

// Watch calls changed with what the host has when that is no longer what it was
// known to have, until ctx is done. What changed before Watch was called is
// noticed too.
func Watch(ctx context.Context, have Host, changed func(Host)) error {
	events, err := subscribe()
	if err != nil { // a sandbox without it
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		return poll(ctx, ticker.C, have, changed)
	}
	stop := context.AfterFunc(ctx, func() { _ = events.Close() })
	defer func() {
		stop()
		_ = events.Close()
	}()
	for {
		if err := look(&have, changed); err != nil {
			return err
		}
		if err := await(ctx, events); err != nil || ctx.Err() != nil {
			return err
		}
	}
}

// subscribe opens a socket that is told of every change of addresses and
// routes. Links are among it, since an IPv4 route that goes with its link goes
// without a word.
func subscribe() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	const groups = unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR | unix.RTMGRP_IPV4_ROUTE | unix.RTMGRP_IPV6_ROUTE
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		_ = unix.Close(fd)
		return nil, os.NewSyscallError("bind", err)
	}
	return os.NewFile(uintptr(fd), "netlink"), nil
}

// await returns a moment after something happened, or with no error once ctx is
// done.
func await(ctx context.Context, events *os.File) error {
	raw, err := events.SyscallConn()
	if err == nil {
		err = raw.Read(drain)
	}
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case <-time.After(settle):
	}
	return nil
}

// drain takes what is waiting to be read and reports whether there was
// anything. What it says does not matter; nor does an error, which tells that
// more happened than the socket could hold.
func drain(fd uintptr) (happened bool) {
	var b [8192]byte
	for {
		switch _, err := unix.Read(int(fd), b[:]); {
		case errors.Is(err, unix.EAGAIN):
			return happened
		case err != nil && !errors.Is(err, unix.EINTR):
			return true
		}
		happened = true
	}
}
