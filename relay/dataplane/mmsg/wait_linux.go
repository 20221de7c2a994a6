package mmsg

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// poller waits for a worker's events in the runtime's own poller.
//
// A thread that blocks in epoll_wait is the cheapest way to wait. But the
// runtime takes it to be in a system call that may be over at any moment, and
// gives its place to others only when it next looks, up to 10 ms later. The
// goroutines of TCP and TLS clients would wait as long: while there are any, the
// worker waits as they do.
type poller struct {
	file   *os.File // the epoll; nil: not open
	raw    syscall.RawConn
	try    func(fd uintptr) bool // attempt, made once
	events []unix.EpollEvent
	n      int
	err    error
}

// await waits for events; with timeout 0 it only asks.
func (w *worker) await(timeout int) (int, error) {
	switch {
	case timeout == 0:
	case !w.p.streams.some.Load():
		w.poller.close()
	default:
		if n, err := w.poller.wait(w.epoll, w.events[:]); err == nil {
			return n, nil
		}
	}
	return unix.EpollWait(w.epoll, w.events[:], timeout)
}

func (x *poller) wait(epoll int, events []unix.EpollEvent) (int, error) {
	x.events = events
	if x.file == nil {
		if err := x.open(epoll); err != nil {
			return 0, err
		}
	}
	if err := x.raw.Read(x.try); err != nil {
		return 0, err
	}
	return x.n, x.err
}

// open hands the epoll to the runtime, under a descriptor of its own.
func (x *poller) open(epoll int) error {
	fd, err := unix.FcntlInt(uintptr(epoll), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return err
	}
	x.file = os.NewFile(uintptr(fd), "epoll")
	x.raw, err = x.file.SyscallConn()
	x.try = x.attempt
	return err
}

// attempt asks without waiting. false: call again when there may be events.
func (x *poller) attempt(fd uintptr) bool {
	x.n, x.err = unix.EpollWait(int(fd), x.events, 0)
	return x.n != 0 || x.err != nil
}

// close takes the epoll back: the runtime would be woken by every event, also
// when nobody waits for it there.
func (x *poller) close() {
	if x.file != nil {
		x.file.Close()
		*x = poller{}
	}
}
