package load

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// sleeper sleeps for fractions of a millisecond. The runtime's timers wait in
// whole ones (epoll_wait), and packets would leave in clumps of as much; a
// timerfd wakes its reader, through the same epoll, to the microsecond.
type sleeper struct {
	file *os.File // nil: there is none
	fd   int
	buf  [8]byte
}

func newSleeper() *sleeper {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return &sleeper{}
	}
	return &sleeper{file: os.NewFile(uintptr(fd), "timerfd"), fd: fd}
}

func (s *sleeper) sleep(d time.Duration) {
	if s.file != nil {
		at := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(max(d, 1)))}
		if unix.TimerfdSettime(s.fd, 0, &at, nil) == nil {
			if _, err := s.file.Read(s.buf[:]); err == nil {
				return
			}
		}
	}
	time.Sleep(d)
}

func (s *sleeper) close() {
	if s.file != nil {
		s.file.Close()
	}
}
