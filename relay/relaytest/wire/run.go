package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// Exchange is one message of a case and what came of it.
type Exchange struct {
	step    *Step
	request []byte // nil: the peer says something
	answer  []byte // nil: none
}

// Deviation is an answer other than the table's.
type Deviation struct {
	Step int
	What string // as the page says it: "error 400", "no answer", "not signed"
}

func (d *Deviation) Error() string { return fmt.Sprintf("step %d: %s", d.Step+1, d.What) }

// dialog is a case under way.
type dialog struct {
	server *Server
	over   Over
	host   netip.Addr
	number int
	tuples map[string]*tuple
	peers  map[string]net.PacketConn
	token  []byte // the last RESERVATION-TOKEN
	log    []Exchange
}

// tuple is a five-tuple as its client knows it.
type tuple struct {
	dialog  *dialog
	conn    Conn
	local   netip.AddrPort
	nonce   string
	relayed netip.AddrPort
	owner   Who  // of the allocation
	gone    bool // with its stream
	used    uint32
	answers map[string][]byte // by transaction
	err     error             // of what a part had to do
}

// Run plays a case, the number-th of its table, over a transport. The error is a
// *Deviation if the server does something else.
func (c *Case) Run(s *Server, over Over, number int) (log []Exchange, err error) {
	d := &dialog{server: s, over: over, host: hostOf(c.Setting, number), number: number, tuples: map[string]*tuple{}, peers: map[string]net.PacketConn{}}
	defer func() { err = errors.Join(err, d.close()) }()
	for i := range c.Steps {
		if err := d.open(&c.Steps[i]); err != nil {
			return nil, err
		}
	}
	for i := range c.Steps {
		what, err := d.step(&c.Steps[i])
		if err != nil {
			return d.log, fmt.Errorf("step %d: %w", i+1, err)
		}
		if what != "" {
			return d.log, &Deviation{i, what}
		}
	}
	return d.log, d.end()
}

// open opens the socket of the peer that a step is about, if it is about data.
func (d *dialog) open(s *Step) (err error) {
	if s.relays() && d.server.Peer != nil && d.peers[s.peer] == nil {
		d.peers[s.peer], err = d.server.Peer(netip.MustParseAddrPort(s.peer))
	}
	return err
}

func (s *Step) relays() bool {
	return s.do == peerSays || s.want.kind >= relayed
}

// hosts and the ports of one are how many five-tuples cases have apart, so that
// a budget of one source is never another's.
const (
	firstHost     = "93.184.216.20"
	firstHostIPv6 = "2600:1f18::14"
	hosts         = 200
)

// hostOf is where the clients of a case are.
func hostOf(s Setting, number int) netip.Addr {
	first := firstHost
	if s == IPv6 {
		first = firstHostIPv6
	}
	b := netip.MustParseAddr(first).AsSlice()
	b[len(b)-1] += byte(number % hosts)
	host, _ := netip.AddrFromSlice(b)
	return host
}

// tuple opens a five-tuple at its first use.
func (d *dialog) tuple(name string) (*tuple, error) {
	if in := d.tuples[name]; in != nil {
		return in, nil
	}
	port := 20000 + 1000*int(d.over) + 10*(d.number/hosts) + len(d.tuples)
	in := &tuple{dialog: d, local: netip.AddrPortFrom(d.host, uint16(port)), answers: map[string][]byte{}}
	var err error
	if in.conn, err = d.server.Dial(d.over, in.local); err == nil {
		d.tuples[name] = in
	}
	return in, err
}

// transaction is one that the five-tuple has not used.
func (in *tuple) transaction() []byte {
	in.used++
	return binary.BigEndian.AppendUint32([]byte("turnpike"), in.used)
}

// step does a step. what is how the server deviates.
func (d *dialog) step(s *Step) (what string, err error) {
	if s.do == drain {
		if d.server.Drain == nil {
			return "", ErrUnable
		}
		return "", d.server.Drain()
	}
	in, err := d.tuple(s.from)
	switch {
	case err != nil:
		return "", err
	case s.relays() && d.server.Peer == nil:
		return "", d.left(in, s)
	case s.do == peerSays:
		return d.fromPeer(in, s)
	}
	if s.want.kind == silent || s.want.kind == closed {
		return d.unanswered(in, s)
	}
	for _, m := range s.send {
		request := m.bytes(in)
		if in.err != nil {
			return "", in.err
		}
		if err := in.write(request, s.pieces); err != nil {
			return "", err
		}
		switch s.want.kind {
		case relayed:
			what, err = d.atPeer(in, s)
			d.note(s, request, nil)
		case handed:
			what = d.atClient(in, s)
			d.note(s, request, nil)
		default:
			what, err = in.answer(request, s)
		}
		if what != "" || err != nil {
			return what, err
		}
	}
	return "", nil
}

// note keeps what was sent and what came of it.
func (d *dialog) note(s *Step, request, answer []byte) {
	d.log = append(d.log, Exchange{s, request, answer})
}

// left notes a step about data that is left out.
func (d *dialog) left(in *tuple, s *Step) error {
	var request, answer []byte
	if s.do == says {
		request = s.send[0].bytes(in)
	}
	if s.want.kind == delivered {
		answer = s.datagram(nil, netip.MustParseAddrPort(s.peer), false)
	}
	d.note(s, request, answer)
	return in.err
}

// write sends a message, in pieces if the server takes pieces.
func (in *tuple) write(b []byte, pieces bool) error {
	if !pieces || in.dialog.server.Whole {
		return in.conn.Write(b)
	}
	for i := range b {
		if err := in.conn.Write(b[i : i+1]); err != nil {
			return err
		}
	}
	return nil
}

// exchange is a request and the five-tuple it came from.
type exchange struct {
	in      *tuple
	request []byte
}

// answer compares what comes with what the step wants.
func (in *tuple) answer(request []byte, s *Step) (what string, err error) {
	got, err := in.next()
	in.dialog.note(s, request, got)
	switch {
	case errors.Is(err, ErrNothing):
		return "no answer", nil
	case err != nil:
		return "closes the stream", nil
	}
	x := &exchange{in, request}
	if what := x.compare(&s.want, got); what != "" {
		return what, nil
	}
	in.learn(request, got, s.want.signer)
	return "", nil
}

// next is the next message. A stock server is asked for a Binding besides: the
// answer to that comes last.
func (in *tuple) next() ([]byte, error) {
	if !in.dialog.server.Stock {
		return in.conn.Read()
	}
	probe := binding().bytes(in)
	if err := in.conn.Write(probe); err != nil {
		return nil, err
	}
	got, err := in.conn.Read()
	if err != nil || answers(got, probe) {
		return nil, errors.Join(ErrNothing, err)
	}
	_, err = in.conn.Read()
	return got, err
}

// unanswered sends messages that must bring nothing. A Binding behind them shows
// it: its answer is the next thing to come.
func (d *dialog) unanswered(in *tuple, s *Step) (what string, err error) {
	const atOnce = 16 // so that no buffer is too small for them
	for i, m := range s.send {
		request := m.bytes(in)
		if in.err != nil {
			return "", in.err
		}
		d.note(s, request, nil)
		if err := in.conn.Write(request); err != nil {
			return "", err
		}
		if i%atOnce < atOnce-1 && i < len(s.send)-1 {
			continue
		}
		if s.want.kind == closed && d.over != UDP && !d.server.Whole {
			return in.closed()
		}
		if what, err := in.quiet(); what != "" || err != nil {
			return what, err
		}
	}
	return "", nil
}

// quiet asks for a Binding and expects its answer to be the next message.
func (in *tuple) quiet() (what string, err error) {
	probe := binding().bytes(in)
	if err := in.conn.Write(probe); err != nil {
		return "closes the stream", nil
	}
	got, err := in.conn.Read()
	switch {
	case errors.Is(err, ErrNothing):
		return "serves nothing behind it", nil
	case err != nil:
		return "closes the stream", nil
	case !answers(got, probe):
		return "answers: " + summary(got), nil
	}
	return "", nil
}

// closed expects the end of the stream. A stock server is asked for a Binding,
// to tell a stream that it serves on from one that it does not.
func (in *tuple) closed() (what string, err error) {
	if in.dialog.server.Stock {
		if what, err = in.quiet(); what == "" && err == nil {
			what = "serves the stream on"
		}
		return what, err
	}
	got, err := in.conn.Read()
	switch {
	case err == nil:
		return "answers: " + summary(got), nil
	case errors.Is(err, ErrNothing):
		return "keeps the stream open", nil
	}
	in.gone = true
	return "", nil
}

// learn keeps what later steps need of an answer.
func (in *tuple) learn(request, got []byte, signer Who) {
	in.answers[string(request[8:headerSize])] = got
	if v, ok := find(got, attrNonce); ok {
		in.nonce = string(v)
	}
	if v, ok := find(got, attrToken); ok {
		in.dialog.token = v
	}
	if v, ok := find(got, attrRelayed); ok && signer != "" {
		in.relayed, _ = readXOR(v, got)
		in.owner = signer
	}
}

// challenged gets a nonce, unless the five-tuple has one.
func (in *tuple) challenged() string {
	if in.nonce != "" || in.err != nil {
		return in.nonce
	}
	request := allocate().bytes(in)
	if in.err = in.conn.Write(request); in.err != nil {
		return ""
	}
	got, err := in.next()
	if err != nil {
		in.err = fmt.Errorf("no nonce: %w", err)
		return ""
	}
	in.learn(request, got, "")
	return in.nonce
}
