package mmsg

import (
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"turnpike/pkg/udpio"
	"turnpike/relay/dataplane"
)

const (
	errorBatch = relayBatch // errors of a relay socket in a turn, as many as datagrams

	// maxErrors of a relay socket within errorWindow are far more than its client
	// is told of. More are a flood, and not read.
	maxErrors   = 2 * errorBatch
	errorWindow = time.Second
)

// attempts is how often messages are sent that are refused. The first attempt may
// have told an error of ICMP's about a datagram before (see udpio.EnableErrors),
// the others those that came just now.
const attempts = 4

// send sends messages of out as udpio.Out.Send does, and again if they are
// refused. For the first, whole says whether fragments would be no way out.
func send(out *udpio.Out, fd, from, to int, whole bool) (n int, err error) {
	for range attempts {
		n, err = out.Send(fd, from, to)
		if err == nil || err == unix.EAGAIN || err == unix.EMSGSIZE && !whole {
			break
		}
	}
	return n, err
}

// sendFragmented sends a message in fragments.
func sendFragmented(out *udpio.Out, fd, i int) (err error) {
	for range attempts {
		if err = out.SendFragmented(fd, i); err == nil || err == unix.EAGAIN {
			break
		}
	}
	return err
}

// serveErrors reads what ICMP has told about datagrams from a relay socket. If
// there is more the kernel says so again.
func (w *worker) serveErrors(s *socket) {
	s.failed = false
	if w.enter(s) == nil {
		return
	}
	n, _ := w.errors.RecvErrors(s.fd, errorBatch)
	w.serving += n
	told := 0
	for i := range n {
		// What is not of ICMP is our own: a datagram was too large to go whole.
		if e, ok := w.errors.Error(i); ok {
			told++
			w.counted.Notice(w.notice(s, dataplane.ICMP{Peer: w.errors.Addr(i), Type: e.Type, Code: e.Code, MTU: e.Info}))
		}
	}
	w.listenLess(s, told)
}

// listenLess stops the kernel from telling of a relay socket's errors where they
// are a flood: they fill its receive buffer and stand in the way of its
// datagrams.
func (w *worker) listenLess(s *socket, told int) {
	if w.now.Sub(s.errorsSince) >= errorWindow {
		s.errorsSince, s.errors = w.now, 0
	}
	if s.errors += told; s.errors <= maxErrors || s.deaf || w.enter(s) == nil {
		return
	}
	s.deaf = udpio.DisableErrors(s.fd, s.relay.Bind.Addr().Is6()) == nil
	if s.deaf {
		w.deaf = append(w.deaf, s)
		w.counted.Notice(dataplane.NoticeFlood)
	}
}

// listenAgain has the kernel tell of errors again, where a flood was.
func (w *worker) listenAgain() {
	n := 0
	for ; n < min(len(w.deaf), maxEvents) && w.now.Sub(w.deaf[n].errorsSince) >= errorWindow; n++ {
		if s := w.deaf[n]; w.enter(s) != nil {
			s.deaf = udpio.EnableErrors(s.fd, s.relay.Bind.Addr().Is6()) != nil
		}
	}
	w.deaf = slices.Delete(w.deaf, 0, n)
}

// notice tells the client of a relay socket's flow of an error, if it may hear
// of it.
func (w *worker) notice(s *socket, e dataplane.ICMP) dataplane.Notice {
	w.makeRoom()
	if maxAnswer-len(w.answers) < dataplane.MaxNotice {
		w.flush()
	}
	f := w.enter(s)
	switch {
	case f == nil:
		return dataplane.NoticeNoFlow
	case !e.ForClients():
		return dataplane.NoticeType
	}
	if n := f.Pass.ICMP(e.Peer, w.now); n != dataplane.NoticeSent {
		return n
	}
	at := len(w.answers)
	b := w.answers[at : at+dataplane.MaxNotice]
	b = b[:dataplane.PutNotice(b, e)]
	if f.Client.Stream != nil {
		if w.toStream(f, b) != dataplane.Allow {
			return dataplane.NoticeUnsent
		}
		return dataplane.NoticeSent
	}
	w.answers = w.answers[:at+len(b)]
	w.queue(run{way: toClient, to: f.Client.Addr, listener: f.Client.Listener}, item{body: b})
	return dataplane.NoticeSent
}
