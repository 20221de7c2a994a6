package mmsg

import (
	"golang.org/x/sys/unix"

	"turnpike/pkg/udpio"
	"turnpike/relay/dataplane"
)

// errorBatch is how many errors of a relay socket are read in a turn: as many as
// datagrams.
const errorBatch = relayBatch

// attempts is how often a call is made that returns an error. The first may have
// told one of ICMP's, about a datagram before (see udpio.EnableErrors); the
// second, one that came just now.
const attempts = 3

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

// receive receives datagrams of a relay socket.
func receive(in *udpio.In, fd, most int) (n int, err error) {
	for range attempts {
		if n, err = in.More(fd, most); err == nil || err == unix.EAGAIN {
			break
		}
	}
	return n, err
}

// serveErrors reads what ICMP has told about datagrams from a relay socket.
func (w *worker) serveErrors(s *socket) {
	if w.enter(s) == nil {
		return
	}
	n, _ := w.errors.RecvErrors(s.fd, errorBatch)
	w.serving += n
	for i := range n {
		// What is not of ICMP is our own: a datagram went in fragments.
		if e, ok := w.errors.Error(i); ok {
			w.counted.Notice(w.notice(s, dataplane.ICMP{Peer: w.errors.Addr(i), Type: e.Type, Code: e.Code, MTU: e.Info}))
		}
	}
	s.failed = n == errorBatch
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
