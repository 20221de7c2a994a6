// Package udpio moves UDP datagrams in batches: recvmmsg and sendmmsg, with
// generic segmentation (UDP_SEGMENT, one system call and one walk through the
// kernel for a run of datagrams to one destination) and generic receive
// (UDP_GRO, its mirror image). It is what the data plane and the load client
// have in common, and knows nothing of TURN.
//
// [In] and [Out] are arrays of headers, addresses and, for In, buffers. They
// are made once and used again, so a datagram allocates nothing. They belong to
// one goroutine. No call waits: a socket that has nothing, or takes nothing,
// is EAGAIN.
//
// golang.org/x/net/ipv4 has ReadBatch and WriteBatch, and would do but for
// three things: they allocate for each datagram, they go through the runtime's
// poller one socket at a time, and they hide EAGAIN by waiting.
//
// Only Linux has these calls; on other systems the package is empty.
package udpio
