package mmsg

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"turnpike/pkg/udpio"
	"turnpike/relay/dataplane"
)

// socket is a relay socket. It is closed when no flow is entered, so whoever has
// entered its flow may use the descriptor.
type socket struct {
	relay  *dataplane.Relay
	v6     bool // its family
	fd     int
	key    uint64 // what epoll calls it
	flow   atomic.Pointer[dataplane.Flow]
	worker *worker // serves it; set by Install, before flow

	gone   sync.Once
	mu     sync.Mutex // guards closed: Install beside Remove
	closed bool

	// Its worker's own.
	queued      bool
	failed      bool      // ICMP may have told of what it sent
	deaf        bool      // it told too much, see worker.listenLess
	errors      int       // that it told since errorsSince
	entered     uint64    // the batch in which its flow was entered last
	runs        [2]uint64 // see worker.run
	errorsSince time.Time
	segment     [2]atomic.Int32 // the size that the kernel did not take as a segment; 0: none yet. Handing over, other workers use it too
}

// enter keeps the socket's flow, and so the socket, from ending. nil: there is
// none.
func (s *socket) enter() *dataplane.Flow {
	if f := s.flow.Load(); f != nil && f.Enter() {
		return f
	}
	return nil
}

// reaches reports whether an address is of the socket's own family.
func (s *socket) reaches(addr netip.Addr) bool { return s.v6 == addr.Is6() }

// sockets finds the socket that an event is about. The kernel tells of sockets
// that were closed a moment ago as well, and their descriptors are used again:
// hence the generation.
type sockets struct {
	mu         sync.Mutex // guards writers
	generation uint32
	chunks     [maxDescriptors / chunkSize]atomic.Pointer[chunk]
}

const (
	maxDescriptors = 1 << 20
	chunkSize      = 1 << 10
)

type chunk [chunkSize]atomic.Pointer[socket]

func (t *sockets) slot(fd int) *atomic.Pointer[socket] {
	c := t.chunks[fd/chunkSize].Load()
	if c == nil {
		return nil
	}
	return &c[fd%chunkSize]
}

// add enters a socket and gives it its key.
func (t *sockets) add(s *socket) error {
	if s.fd >= maxDescriptors {
		return fmt.Errorf("mmsg: descriptor %d; more than %d are not served", s.fd, maxDescriptors)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.generation = (t.generation + 1) & maxGeneration
	s.key = uint64(t.generation)<<32 | uint64(s.fd)
	if t.chunks[s.fd/chunkSize].Load() == nil {
		t.chunks[s.fd/chunkSize].Store(new(chunk))
	}
	t.slot(s.fd).Store(s)
	return nil
}

func (t *sockets) remove(s *socket) { t.slot(s.fd).CompareAndSwap(s, nil) }

// find is the socket that a key was given to, or nil.
func (t *sockets) find(key uint64) *socket {
	slot := t.slot(int(uint32(key)))
	if slot == nil {
		return nil
	}
	if s := slot.Load(); s != nil && s.key == key {
		return s
	}
	return nil
}

func (t *sockets) all() (all []*socket) {
	for i := range t.chunks {
		if c := t.chunks[i].Load(); c != nil {
			for j := range c {
				if s := c[j].Load(); s != nil {
					all = append(all, s)
				}
			}
		}
	}
	return all
}

// Keys with the highest bit set are listeners and the way to wake a worker.
const (
	maxGeneration = 1<<31 - 1
	keyListener   = 1 << 63
	keyWake       = 1<<64 - 1
)

// open makes a UDP socket of the address's own family only, so that an IPv6
// socket never speaks IPv4 in disguise. It never waits. before is called before
// it is bound.
func open(at netip.AddrPort, before func(fd int) error) (fd int, err error) {
	family := unix.AF_INET6
	if at.Addr().Is4() {
		family = unix.AF_INET
	}
	fd, err = unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_UDP)
	if err != nil {
		return 0, err
	}
	if err = bind(fd, at, before); err != nil {
		unix.Close(fd)
		return 0, err
	}
	return fd, nil
}

func bind(fd int, at netip.AddrPort, before func(fd int) error) error {
	if before != nil {
		if err := before(fd); err != nil {
			return err
		}
	}
	if at.Addr().Is4() {
		_ = udpio.DontFragment(fd) // it spares work, no more
		return unix.Bind(fd, &unix.SockaddrInet4{Addr: at.Addr().As4(), Port: int(at.Port())})
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1); err != nil {
		return err
	}
	return unix.Bind(fd, &unix.SockaddrInet6{Addr: at.Addr().As16(), Port: int(at.Port())})
}

// port is the port that a socket is bound to.
func port(fd int) (uint16, error) {
	name, err := unix.Getsockname(fd)
	if err != nil {
		return 0, err
	}
	switch name := name.(type) {
	case *unix.SockaddrInet4:
		return uint16(name.Port), nil
	case *unix.SockaddrInet6:
		return uint16(name.Port), nil
	}
	return 0, errors.New("mmsg: a socket of an unknown family")
}

// setBuffer asks for a buffer size, past the system's limit where that is
// allowed (CAP_NET_ADMIN).
func setBuffer(fd, force, option, size int) {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, force, size) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, option, size) // granted in part, never refused
	}
}

// overflowed is how many datagrams found no room in a socket's receive buffer
// (sock_diag(7), SK_MEMINFO_DROPS).
func overflowed(fd int) uint64 {
	const drops = 8
	info, err := meminfo(fd)
	if err != nil {
		return 0
	}
	return uint64(info[drops])
}

// verdict says what a send error means.
func verdict(err error) dataplane.Verdict {
	switch err {
	case nil:
		return dataplane.Allow
	case unix.EAGAIN, unix.ENOBUFS:
		return dataplane.SocketFull
	case unix.EMSGSIZE:
		return dataplane.Oversize
	case unix.EBADF:
		return dataplane.Ended
	}
	return dataplane.SendError
}
