// Package engine turns pion/turn v4.1.4 into a function: a judged request in, a
// result out. It is the only place of this program where pion is met.
//
//	caller --> Submit --> bounded queue --> door.ReadFrom --> pion, on its own goroutine
//	caller <-- done <---- result <--------- door.ReadFrom, called again
//
// pion keeps allocations, permissions and channels, and their timers. It sees
// no foreign byte: every request is encoded here from validated values and
// signed with a key of this process. It sees no client address: each [Leg] has
// a made-up one that is never used twice. It has no socket and moves no data.
// And it decides nothing a client gets to see: callers build their answers from
// their own state and take from a [Result] only whether pion agreed.
//
// # Why pion is driven this way
//
// Paths are in the root of github.com/pion/turn/v4@v4.1.4. Each of these was
// seen to happen; all but the first are out of reach because pion is behind
// this door.
//
//   - A permission is entered in the map before its timer exists
//     (internal/allocation/allocation.go:88-101), and an allocation that is
//     closed by its lifetime timer at that moment dereferences the nil timer
//     (:264). That ends the process, no hook is needed for it, and any client
//     can bring it about by CreatePermission with new peers while its
//     allocation expires. So pion's timer must never fire while requests are
//     served: pion is given the granted lifetime plus [Options.Slack], the
//     caller ends the leg at the granted time by a Refresh with 0, which closes
//     it on pion's own goroutine, one after the other with AddPermission; and
//     this package keeps requests of a leg past its granted time away from
//     pion, also if the caller is late. What is left needs a stall longer than
//     the slack within one request.
//   - A deleted allocation's goroutine deletes by five-tuple whatever is there
//     by then (internal/allocation/allocation.go:301-303,
//     allocation_manager.go:151-157). Here it leaves at its first step
//     (runtime.Goexit in relay.ReadFrom), and no five-tuple comes twice.
//   - Refresh, CreatePermission and ChannelBind without an allocation are not
//     answered (internal/server/turn.go:254-256, 286, 383). So a request is
//     done when pion asks for the next one, not when it answers.
//   - A lifetime of 3600 s or more becomes 600 s (internal/server/util.go:152-163).
//     See [MaxLifetime].
//   - One user may use another's allocation, attributes behind
//     MESSAGE-INTEGRITY are believed, wrong credentials get a 400, any channel
//     number is taken (internal/server/turn.go:398-402), and a nonce of
//     1400 bytes costs 120 us (internal/server/short_nonce.go:86-103, base36.go:40-63). None of
//     this can be asked for in a [Request].
//   - Nine bytes from a TCP client make a core spin for ever
//     (stun_conn.go:47-57). pion reads no stream here.
//
// pion's timers of permissions (300 s) and channels (600 s) do fire. A refresh
// at the very instant of expiry is answered as a success and the entry dies all
// the same (internal/allocation/permission.go:39-43, channel_bind.go:42-46).
// So callers keep deadlines of their own, counted from the success, and do not
// ask pion whether a permission exists.
//
// # What callers must not do
//
// start, done, open and closed run on pion's goroutine, and everything else
// waits for them meanwhile. (closed runs on a timer's goroutine if pion's timer
// ended the leg: see FaultExpired.) None of them may
//
//   - call [Engine.Do] or [Engine.Close] (a deadlock; [Engine.Submit] is fine),
//   - take a lock that is held anywhere across Do (the same),
//   - wait, do I/O other than opening a socket, panic or call runtime.Goexit.
//
// Besides: end every leg by a Refresh with 0 when its granted lifetime is over.
// [FaultExpired] counts those forgotten. End it too after an [ErrFault].
//
// A Refresh with 0 of a leg that has ended, or never begun, is a success for
// pion (internal/server/turn.go:258-260), and so it is here.
//
// # Cost
//
// A request costs what it costs in pion, about 5 us and 35 to 50 allocations,
// and its signature 0.3 us. Do adds the hand-over between two goroutines, 1 to
// 4 us by how busy the cores are, and no allocation.
// Submit and a start that declines allocate nothing. An idle leg is about 5 KB
// of heap, of which pion's map for permissions is 3.5 KB, and no goroutine.
// pion can not be interrupted: watch [Engine.Stalled].
package engine
