package issuer

import "sync/atomic"

// Counters is what the API did since the server was made.
type Counters struct {
	issued  atomic.Uint64
	served  [NumRoutes]atomic.Uint64
	refused [NumRoutes][NumCodes]atomic.Uint64
}

// Issued is the number of credentials handed out.
func (c *Counters) Issued() uint64 { return c.issued.Load() }

// Served is the number of requests that a route granted.
func (c *Counters) Served(r Route) uint64 { return c.served[r].Load() }

// Refused is the number of requests for a route refused under code.
func (c *Counters) Refused(r Route, code Code) uint64 { return c.refused[r][code].Load() }
