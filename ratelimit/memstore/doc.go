// Package memstore is a [ratelimit.Store] in the process's memory: the limits of
// one node that has nobody to share with, by the contract that a fleet has. What
// is a key's expiry elsewhere is a sweep here, once a minute of its clock and by
// whoever calls, so memory is bounded by what was asked within a window.
package memstore
