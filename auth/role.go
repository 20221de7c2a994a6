package auth

import (
	"errors"
	"fmt"
	"time"
)

// DefaultRoleName is the role of shared secrets and requests that name none.
const DefaultRoleName = "default"

// maxTTL bounds what a role may allow: beyond it a credential is a static
// password in disguise.
const maxTTL = 366 * 24 * time.Hour

// Role is what a credential allows. Of the three clocks of a session TTL and
// MaxTTL say until when it may start, MaxSession and Idle when it must end.
type Role struct {
	Name string // [A-Za-z0-9_-]{1,32}

	TTL    time.Duration // lifetime of a credential that asks for none; 1 s or more
	MaxTTL time.Duration // longest lifetime of a credential; TTL to 366 days

	MaxSession time.Duration // a session's longest life; 0: no limit
	Idle       time.Duration // ends a session without relayed data; 0: never

	Allocations int   // at the same time, a user; 0: no limit
	SessionBits int64 // bit/s a session, both directions together; 0: no limit
	UserBits    int64 // bit/s a user, all sessions together; 0: no limit
	BytesPerDay int64 // a user and day; 0: no limit

	BytesPerMonth int64 // a user and month of the calendar; 0: no limit

	AllocationsPerMinute int // a user may begin; 0: no limit
	AllocationsBurst     int // of them at once; 1 or more, if there is a limit
	CredentialsPerMinute int // that the issuer makes for a user; 0: no limit
	CredentialsBurst     int // of them at once; 1 or more, if there is a limit

	RelayOnly bool // clients are told iceTransportPolicy "relay"

	Transports Transports // over which it may allocate; 0: all
}

// Transports are ways from a client to the server (RFC 8656 §3.1).
type Transports uint8

// The transports. TLS is TLS over TCP.
const (
	UDP Transports = 1 << iota
	TCP
	TLS
)

// Have reports whether one of them is among these; none of them stands for all.
func (t Transports) Have(one Transports) bool { return t == 0 || t&one != 0 }

// DefaultRole is the role for real calls without any configuration.
//
//   - TTL 24 h: some applications fetch credentials once a session and keep them.
//   - MaxTTL 48 h: what the common hosted services allow at most; it catches
//     lifetimes given in milliseconds.
//   - MaxSession 24 h: no call is cut short, and a session opened with a stolen
//     credential on its last second still ends.
//   - Idle none: a relayed candidate pair kept as a fallback carries nothing.
//   - 20 allocations a user: several devices, each with a few interfaces and two
//     address families.
//   - 20 Mb/s a session and a user: a group call in high definition with a
//     shared screen.
func DefaultRole() Role {
	return Role{
		Name:        DefaultRoleName,
		TTL:         24 * time.Hour,
		MaxTTL:      48 * time.Hour,
		MaxSession:  24 * time.Hour,
		Allocations: 20,
		SessionBits: 20e6,
		UserBits:    20e6,

		AllocationsBurst: 20, // where there is a rate
		CredentialsBurst: 20,
	}
}

// check returns every fault of the role.
func (r Role) check() error {
	var errs []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf("auth: role %q: "+format, append([]any{r.Name}, args...)...))
		}
	}
	fault(!validName(r.Name), "the name must be 1 to %d of A-Z a-z 0-9 _ -", MaxName)
	fault(r.MaxTTL < time.Second || r.MaxTTL > maxTTL, "MaxTTL is %v, it must be 1s to %v", r.MaxTTL, maxTTL)
	fault(r.TTL < time.Second || r.TTL > r.MaxTTL, "TTL is %v, it must be 1s to MaxTTL (%v)", r.TTL, r.MaxTTL)
	fault(r.MaxSession < 0, "MaxSession is negative; 0 means no limit")
	fault(r.Idle < 0, "Idle is negative; 0 means never")
	fault(r.Allocations < 0, "Allocations is negative; 0 means no limit")
	fault(r.SessionBits < 0, "SessionBits is negative; 0 means no limit")
	fault(r.UserBits < 0, "UserBits is negative; 0 means no limit")
	fault(r.BytesPerDay < 0, "BytesPerDay is negative; 0 means no limit")
	fault(r.BytesPerMonth < 0, "BytesPerMonth is negative; 0 means no limit")
	fault(badRate(r.AllocationsPerMinute, r.AllocationsBurst), "AllocationsPerMinute is %d and AllocationsBurst %d; both must be 1 or more, or the first 0 for no limit", r.AllocationsPerMinute, r.AllocationsBurst)
	fault(badRate(r.CredentialsPerMinute, r.CredentialsBurst), "CredentialsPerMinute is %d and CredentialsBurst %d; both must be 1 or more, or the first 0 for no limit", r.CredentialsPerMinute, r.CredentialsBurst)
	fault(r.Transports > UDP|TCP|TLS, "Transports has more than UDP, TCP and TLS")
	return errors.Join(errs...)
}

func badRate(perMinute, burst int) bool {
	return perMinute < 0 || burst < 0 || perMinute > 0 && burst == 0
}
