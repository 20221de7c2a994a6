package issuer

import "sync/atomic"

// Counters is what the API did since the server was made.
type Counters struct {
	issued  atomic.Uint64
	refused [NumCodes]atomic.Uint64
}

// Issued is the number of credentials handed out.
func (c *Counters) Issued() uint64 { return c.issued.Load() }

// Refused is the number of requests refused under code.
func (c *Counters) Refused(code Code) uint64 { return c.refused[code].Load() }
