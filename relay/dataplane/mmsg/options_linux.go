package mmsg

import (
	"errors"
	"fmt"
	"runtime"
	"time"
)

// MaxCoalesce is the longest that Options.Coalesce may be: what it adds to a
// call's delay should stay a small part of a frame.
const MaxCoalesce = 500 * time.Microsecond

// maxWorkers bounds Options.Workers: each has buffers of 10 MiB, of which it
// touches what its traffic needs.
const maxWorkers = 64

// Options configures a plane.
type Options struct {
	// Now is the clock that a datagram is judged by; time.Now if nil.
	Now func() time.Time
	// Workers is the number of threads that move datagrams; one a core
	// (GOMAXPROCS) if 0.
	Workers int
	// SocketBuffer is the size asked for each listener socket's receive and
	// send buffer, RelayBuffer for a relay socket's receive buffer, in bytes;
	// 4 MiB and 512 KiB if 0. The kernel may grant less.
	SocketBuffer, RelayBuffer int
	// Coalesce is how long a worker waits after a batch that was not full, so
	// that more can come: fewer wake-ups, and so much more delay. 0 to
	// MaxCoalesce.
	Coalesce time.Duration
	// NoGSO and NoGRO keep the plane from UDP_SEGMENT and UDP_GRO.
	NoGSO, NoGRO bool
	// NoICMP keeps clients from being told of ICMP errors about what they sent
	// (RFC 8656 §11.5).
	NoICMP bool
}

func (o *Options) complete() error {
	var errs []error
	if o.Workers < 0 || o.Workers > maxWorkers {
		errs = append(errs, fmt.Errorf("mmsg: Workers is %d; it can be 1 to %d, or 0 for one a core", o.Workers, maxWorkers))
	}
	if o.SocketBuffer < 0 || o.RelayBuffer < 0 {
		errs = append(errs, fmt.Errorf("mmsg: SocketBuffer is %d and RelayBuffer %d bytes; neither can be negative", o.SocketBuffer, o.RelayBuffer))
	}
	if o.Coalesce < 0 || o.Coalesce > MaxCoalesce {
		errs = append(errs, fmt.Errorf("mmsg: Coalesce is %s; it can be 0 to %s", o.Coalesce, MaxCoalesce))
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Workers == 0 {
		o.Workers = min(runtime.GOMAXPROCS(0), maxWorkers)
	}
	if o.SocketBuffer == 0 {
		o.SocketBuffer = 4 << 20
	}
	if o.RelayBuffer == 0 {
		o.RelayBuffer = 512 << 10
	}
	return errors.Join(errs...)
}
