package ratelimit

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"math"
	"math/bits"
	"net/netip"
	"time"

	"golang.org/x/time/rate"
)

const (
	// DefaultBuckets is for [Options.Buckets]: about 1.5 MB.
	DefaultBuckets = 1 << 14
	// MaxBuckets bounds it.
	MaxBuckets = 1 << 22
)

// Options of a [Limiter].
type Options struct {
	PerSecond float64 // events a second and bucket in the long run; above 0
	Burst     int     // events at once after a rest; 1 or more
	Buckets   int     // 1 to MaxBuckets; 0 means DefaultBuckets
	Scope     Scope   // what has a budget
}

// Scope is what has a budget of its own.
type Scope uint8

const (
	Source  Scope = iota // an IPv4 address or an IPv6 /64, one host
	Network              // an IPv4 /24 or an IPv6 /56, the least that somebody is given
	Port                 // an address with its port: one socket, for AllowPort
)

// bits of an address that count, by family.
var scopeBits = [...][2]int{Source: {32, 64}, Network: {24, 56}, Port: {32, 128}}

// Limiter is for what a server does for strangers: answers to requests that
// prove nothing, such as authentication challenges (50/s, burst 200 a source)
// and Binding responses. Their source addresses may be forged, so it must
// neither remember sources, which would fill memory, nor forget some for
// others, which would help a forger. It has a fixed number of buckets, and a
// secret hash of the address says which one: sources that share a bucket share
// its budget, and nobody outside can find such a pair.
//
// A [Budget] bounds sources, their networks and all of them together.
//
// It is safe for concurrent use and allocates nothing in a call. Workers may
// read the clock a little apart: with times that jump back and forth by s, a
// bucket lets up to PerSecond / (1 - s x PerSecond) pass.
type Limiter struct {
	seed    maphash.Seed
	scope   Scope
	buckets []rate.Limiter
}

// NewLimiter makes a limiter. All of its memory is taken at once.
func NewLimiter(o Options) (*Limiter, error) {
	if o.Buckets == 0 {
		o.Buckets = DefaultBuckets
	}
	switch {
	case !(o.PerSecond > 0) || math.IsInf(o.PerSecond, 0):
		return nil, fmt.Errorf("ratelimit: limiter: PerSecond is %v, it must be above 0 and finite", o.PerSecond)
	case o.Burst < 1:
		return nil, fmt.Errorf("ratelimit: limiter: Burst is %d, it must be 1 or more, or nothing would ever pass", o.Burst)
	case int(o.Scope) >= len(scopeBits):
		return nil, fmt.Errorf("ratelimit: limiter: Scope is %d, which is none", o.Scope)
	case o.Buckets < 1 || o.Buckets > MaxBuckets:
		return nil, fmt.Errorf("ratelimit: limiter: Buckets is %d, it must be 1 to %d", o.Buckets, MaxBuckets)
	}
	l := &Limiter{seed: maphash.MakeSeed(), scope: o.Scope, buckets: make([]rate.Limiter, o.Buckets)}
	for i := range l.buckets {
		// A bucket that was empty at the zero time is full at any real one.
		l.buckets[i].SetLimitAt(time.Time{}, rate.Limit(o.PerSecond))
		l.buckets[i].SetBurstAt(time.Time{}, o.Burst)
	}
	return l, nil
}

// Allow takes one event from the budget that addr has a part in. An invalid
// address has none.
func (l *Limiter) Allow(addr netip.Addr, now time.Time) bool {
	return l.AllowPort(netip.AddrPortFrom(addr, 0), now)
}

// AllowPort is Allow for the scope Port; for any other the port does not matter.
func (l *Limiter) AllowPort(from netip.AddrPort, now time.Time) bool {
	return from.Addr().IsValid() && l.buckets[l.bucket(from)].AllowN(now, 1)
}

// Spent reports whether AllowPort would refuse, and takes nothing.
func (l *Limiter) Spent(from netip.AddrPort, now time.Time) bool {
	return !from.Addr().IsValid() || l.buckets[l.bucket(from)].TokensAt(now) < 1
}

// bucket is that of an address, chosen by a secret hash.
func (l *Limiter) bucket(from netip.AddrPort) uint64 {
	addr, family := from.Addr().Unmap(), 0
	if !addr.Is4() {
		family = 1
	}
	width := scopeBits[l.scope][family]
	var key [18]byte // IPv4 addresses begin where none of IPv6 is given out (::/96)
	if family == 0 {
		a := addr.As4()
		copy(key[12:], a[:])
		width += 96
	} else {
		a := addr.As16()
		copy(key[:], a[:])
	}
	clear(key[width/8 : 16])
	if l.scope == Port {
		binary.BigEndian.PutUint16(key[16:], from.Port())
	}
	i, _ := bits.Mul64(maphash.Bytes(l.seed, key[:]), uint64(len(l.buckets))) // scaled to their number
	return i
}
