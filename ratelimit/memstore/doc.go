// Package memstore is a [ratelimit.Store] in the process's memory: the limits of
// one node that has nobody to share with, by the contract that a fleet has. What
// is a key's expiry elsewhere is a sweep here, once a minute of its clock and by
// whoever calls. Windows of bytes are kept for weeks, so there are 131,072 at most:
// those of users that nothing limits go first, and who has a limit and finds no room
// gets no bytes.
package memstore
