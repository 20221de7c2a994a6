// Package mmsg is the data plane for Linux: many datagrams a system call, one a
// walk through the kernel where they go the same way, and no goroutine, buffer
// or system call for a flow that is silent.
//
//	epoll --> ready sockets --> recvmmsg --> judge --> runs --> sendmmsg
//	            listeners, relays                      by socket and destination
//
// Each worker is a thread with an epoll of its own. It receives from every
// socket that is ready, a bounded number of messages each; judges every datagram
// in them (package dataplane: Pass, once); sorts what may go on into runs; and
// sends the runs when there is nothing more to receive or no more room. The
// kernel does most of the work, so what counts is how often it is asked: one
// sendmmsg carries the messages for many clients, and one message up to 64
// datagrams of a run (UDP_SEGMENT), which go through the stack as one. UDP_GRO is
// the same the other way.
//
// # What workers share
//
// Nothing that is written for a datagram. A listener has a socket for each
// worker (SO_REUSEPORT) and the kernel chooses among them by a program of ours
// (steer_linux.go), so that we know the worker of a client and have it serve the
// client's relay socket as well. Each has a table of its clients, counters, and
// buffers of its own. Tables are written by whoever installs and removes flows,
// by single atomic stores, and read without a lock.
//
// Handing over from relay to relay is the exception: the sender's worker judges
// for the other flow and sends from its own socket of the listener.
//
// # Beside TCP and TLS
//
// What comes over a stream is judged on its connection's goroutine, all that one
// read brought together, and sent from the flow's relay socket in runs, as a
// worker does. What goes to streams the worker queues and flushes at the end of
// the batch.
//
// A worker that waits for events blocks its thread, and keeps its place in the
// runtime (one of GOMAXPROCS) until the runtime's monitor takes it, up to 10 ms
// later. So there should be more places than workers, or the goroutines of streams
// wait for one: cmd/turnpike sees to it.
//
// # How a flow ends beside a batch
//
// A worker enters a flow when its first datagram in a batch comes up and leaves
// it when the batch has been sent and counted. Remove takes the flow out of the
// tables, waits for who has entered, and only then closes the descriptor: no
// worker ever uses one that has become another's. An event of a closed socket
// may still come; its key has a generation, and finds nothing.
//
// # Fairness
//
// A relay socket gives 32 messages in a turn, a listener 64, and then the next
// is served; sockets that have more wait for their turn behind the others, and
// new ones are looked for in between. What a flood does not get read in time the
// kernel drops from that socket's own buffer (counted as ReceiveFull when it is
// closed, for relays). Sends never wait: EAGAIN drops what is left for that
// socket in the batch.
//
// # Fragments, and what ICMP tells
//
// IPv4 sockets set DF on what fits and send the rest in fragments, by a second
// call without it. A datagram that is to stay whole (RFC 8656 §11.3) does without
// the second call, and over IPv6 says so itself. That second call changes the
// socket for a moment, and nobody else sends through it then: a relay socket
// sends what one client sent, which one worker, or one connection's goroutine,
// has in hand.
//
// Relay sockets have the kernel tell of ICMP errors (IP_RECVERR), in a queue of
// the socket's that a worker reads when epoll says so, as many in a turn as
// datagrams. The kernel checks addresses and ports, no more: whoever knows them
// can forge an error. So the Pass paces what clients hear, and where a socket has
// more than 64 within a second the kernel is told to keep them to itself until the
// second is over: they would fill its receive buffer and, one by one, make
// calls fail. A call that fails is made again, a few times, since the error that
// it returns may be that of a datagram before.
//
// # What was tried
//
// The figures are in docs/performance.md. Level-triggered epoll costs a second
// look at every socket in each round. One buffer a datagram and 64 KiB buffers
// for UDP_GRO side by side cost the same, as long as a batch stays within the
// cache and buffers do not begin at the same line of it. DF on what fits spares
// the kernel the choice of an identification. A thread blocked in epoll_wait and
// nanosleep is cheaper than the runtime's poller and timers, and, with places to
// spare, no worse for streams. One socket for all
// relayed addresses (BPF sk_lookup) is cheaper for saturated workers with
// thousands of flows alone, dearer for a hundred, takes CAP_BPF and CAP_NET_ADMIN,
// and makes all sessions share one receive buffer: not kept.
package mmsg
