package mmsg

import (
	"fmt"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"

	"turnpike/pkg/udpio"
	"turnpike/relay/dataplane"
)

// open binds the sockets of a listener, one a worker.
func (l *listener) open(p *Plane) error {
	for range p.workers {
		fd, err := open(l.local, func(fd int) error { return p.tuneListener(fd, len(l.doors)) })
		if err != nil {
			return err
		}
		l.doors = append(l.doors, &door{listener: l, fd: fd})
		if len(l.doors) > 1 {
			continue
		}
		// The first is bound alone: a port that another process serves is an
		// error, where SO_REUSEPORT would share it.
		bound, err := port(fd)
		if err != nil {
			return err
		}
		l.local = netip.AddrPortFrom(l.local.Addr(), bound)
		if len(p.workers) > 1 {
			if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
				return err
			}
		}
	}
	if len(p.workers) > 1 {
		p.steering.Store(attachSteering(l.doors[0].fd, l.local.Addr().Is6(), len(p.workers)) == nil)
	}
	return nil
}

func (p *Plane) tuneListener(fd, already int) error {
	setBuffer(fd, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, p.o.SocketBuffer)
	setBuffer(fd, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, p.o.SocketBuffer)
	if already > 0 {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
			return err
		}
	}
	if p.gro {
		return udpio.EnableGRO(fd)
	}
	return nil
}

func (l *listener) close() {
	for _, d := range l.doors {
		unix.Close(d.fd)
	}
}

// probe asks the kernel what it can.
func (p *Plane) probe() {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	p.gso.Store(!p.o.NoGSO && udpio.CanSegment(fd))
	p.gro = !p.o.NoGRO && udpio.EnableGRO(fd) == nil
	p.icmp = !p.o.NoICMP && udpio.EnableErrors(fd, false) == nil
}

// canKeepWhole asks the kernel whether DF can be set. Some that pass for Linux
// can't.
func canKeepWhole() bool {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	return udpio.DontFragment(fd) == nil
}

// Caps implements dataplane.Plane.
func (p *Plane) Caps() dataplane.Caps {
	feature := func(name string, on, wanted bool, missing string) dataplane.Feature {
		f := dataplane.Feature{Name: name, On: on}
		if wanted && !on {
			f.Why = missing
		}
		return f
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	up := p.started
	return dataplane.Caps{Name: "mmsg", MaxPayload: maxPayload, DontFragment: p.whole, Features: []dataplane.Feature{
		feature("gso", p.gso.Load(), up && !p.o.NoGSO, "UDP_SEGMENT takes Linux 4.18 and a device that computes checksums"),
		feature("gro", p.gro, up && !p.o.NoGRO, "UDP_GRO takes Linux 5.0"),
		feature("steering", p.steering.Load(), up && len(p.workers) > 1 && len(*p.listeners.Load()) > 0, "the kernel takes no program for a group of sockets (SO_ATTACH_REUSEPORT_CBPF, Linux 4.5)"),
		feature("icmp", p.icmp, up && !p.o.NoICMP, "IP_RECVERR can't be set on this system"),
		feature("dont_fragment", p.whole, true, "IP_MTU_DISCOVER can't be set on this system"),
		feature("coalesce", p.o.Coalesce > 0, false, ""),
	}}
}

// Listeners implements dataplane.Plane.
func (p *Plane) Listeners() (all []dataplane.ListenerStats) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for _, l := range *p.listeners.Load() {
		st := dataplane.ListenerStats{Addr: l.local, Wanted: p.o.SocketBuffer}
		for _, d := range l.doors {
			if p.closed {
				break
			}
			st.ReceiveBuffer, _ = unix.GetsockoptInt(d.fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
			st.SendBuffer, _ = unix.GetsockoptInt(d.fd, unix.SOL_SOCKET, unix.SO_SNDBUF)
			st.Overflowed += overflowed(d.fd)
		}
		all = append(all, st)
	}
	return all
}

// meminfo is what the kernel tells of a socket's memory (SO_MEMINFO).
func meminfo(fd int) (info [9]uint32, err error) {
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 || size != uint32(unsafe.Sizeof(info)) {
		return info, fmt.Errorf("mmsg: SO_MEMINFO: %w", errno)
	}
	return info, nil
}
