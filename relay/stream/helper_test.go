package stream

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"io"
	"math/big"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"turnpike/relay/dataplane"
)

// both is a Kind that lets everything in.
var both = Kind{TCP: true, TLS: true}

// stun is a STUN message with n bytes of attributes.
func stun(n int) []byte {
	b := make([]byte, stunHeader+n)
	binary.BigEndian.PutUint16(b, 0x0001)
	binary.BigEndian.PutUint16(b[2:], uint16(n))
	binary.BigEndian.PutUint32(b[4:], magicCookie)
	for i := range b[8:] {
		b[8+i] = byte(i)
	}
	return b
}

// channelData is ChannelData of n bytes, as it is on the wire.
func channelData(n int) []byte {
	b := make([]byte, padded(channelHeader+n))
	binary.BigEndian.PutUint16(b, 0x4001)
	binary.BigEndian.PutUint16(b[2:], uint16(n))
	for i := range n {
		b[channelHeader+i] = byte(i + 1)
	}
	return b
}

// dataIndication is a message of ours that may be lost.
func dataIndication(n int) []byte {
	b := stun(n)
	binary.BigEndian.PutUint16(b, dataType)
	return b
}

// pipeListener hands out what is put in: connections and errors.
type pipeListener struct {
	next   chan any
	closed chan struct{}
	once   sync.Once
	asked  []time.Time // when Accept was called; read it after Serve
}

func newPipeListener() *pipeListener {
	return &pipeListener{next: make(chan any, 100), closed: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	l.asked = append(l.asked, time.Now())
	select {
	case x := <-l.next:
		if err, bad := x.(error); bad {
			return nil, err
		}
		return x.(net.Conn), nil
	case <-l.closed:
		return nil, &net.OpError{Op: "accept", Err: net.ErrClosed}
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return tcpAddr("192.0.2.1:3478") }

func tcpAddr(s string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(s)) }

// addressed is a pipe's end with the addresses of a socket.
type addressed struct {
	net.Conn
	remote, local net.Addr
}

func (a addressed) RemoteAddr() net.Addr { return a.remote }
func (a addressed) LocalAddr() net.Addr  { return a.local }

// bed is a server, and what it told.
type bed struct {
	*Server
	t     *testing.T
	pipes *pipeListener
	frame func(c *Conn, b []byte) // if set, told of every message

	mu     sync.Mutex // guards the following fields
	frames map[*Conn][][]byte
	gone   []*Conn
	told   chan struct{} // a token for each Frame and Gone
}

// newBed makes a server that serves a pipeListener and checks, at the end, that
// nothing is left and that everything was counted.
func newBed(t *testing.T, o Options, k Kind) *bed {
	b := &bed{
		t: t, pipes: newPipeListener(), frames: make(map[*Conn][][]byte),
		told: make(chan struct{}, 100000),
	}
	o.Frame, o.Gone = b.onFrame, b.onGone
	if o.TLS == nil && k.TLS {
		o.TLS = certificate(t)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	b.Server = s
	b.serve(b.pipes, k)
	t.Cleanup(b.close)
	return b
}

func (b *bed) serve(l net.Listener, k Kind) {
	go func() {
		if err := b.Serve(l, k); err != nil && !b.hasClosed() {
			b.t.Error(err)
		}
	}()
}

// hasClosed reports whether a test was quicker than its listener.
func (b *bed) hasClosed() bool {
	b.Server.mu.Lock()
	defer b.Server.mu.Unlock()
	return b.closed
}

// onFrame takes all messages of a call, or when that is an odd number only the
// first half of them.
func (b *bed) onFrame(c *Conn, buf []byte, messages []dataplane.Span) int {
	n := len(messages)
	if n == 0 {
		b.t.Error("Frame without a message")
	}
	if n%2 == 1 {
		n = (n + 1) / 2
	}
	for i, m := range messages[:n] {
		if b.message(c, takeMessage(b.t, buf, m)); c.over() != Alive {
			return i + 1
		}
	}
	return n
}

// takeMessage copies a message and spoils all that may be: nobody may miss it.
func takeMessage(t testing.TB, buf []byte, m dataplane.Span) []byte {
	if m.From < dataplane.Headroom || m.To <= m.From || padded(int(m.To-m.From)) > len(buf)-int(m.From) {
		t.Fatalf("a message at %d to %d of %d", m.From, m.To, len(buf))
	}
	b := bytes.Clone(m.Of(buf))
	for i := range buf[:int(m.From)+padded(len(b))] {
		buf[i] = 0xAA
	}
	return b
}

func (b *bed) message(c *Conn, m []byte) {
	b.mu.Lock()
	if slices.Contains(b.gone, c) {
		b.t.Error("Frame after Gone")
	}
	b.frames[c] = append(b.frames[c], m)
	b.mu.Unlock()
	if b.frame != nil {
		b.frame(c, m)
	}
	b.told <- struct{}{}
}

func (b *bed) onGone(c *Conn) {
	b.mu.Lock()
	if slices.Contains(b.gone, c) || b.frames[c] == nil {
		b.t.Error("Gone twice, or of a connection that Frame has not seen")
	}
	b.gone = append(b.gone, c)
	b.mu.Unlock()
	if v := c.Send(stun(0)); v != dataplane.Ended {
		b.t.Errorf("Send in Gone: %v", v)
	}
	b.told <- struct{}{}
}

// close closes the server and checks that nothing is left.
func (b *bed) close() {
	if err := b.Close(); err != nil {
		b.t.Error(err)
	}
	over := uint64(0)
	for r := range Reason(NumReasons) {
		over += b.Counters().Over(r)
	}
	if a := b.Counters().Accepted(); a != over {
		b.t.Errorf("%d accepted, %d over", a, over)
	}
	for s := range State(NumStates) {
		if n := b.Counters().Open(s); n != 0 {
			b.t.Errorf("%d open (%v)", n, s)
		}
	}
	if len(b.conns)+len(b.sources)+len(b.listeners)+b.handshakes.Len() != 0 {
		b.t.Errorf("left: %d connections, %d sources, %d listeners, %d handshakes",
			len(b.conns), len(b.sources), len(b.listeners), b.handshakes.Len())
	}
	if len(b.gone) != len(b.frames) {
		b.t.Errorf("%d connections had a Frame, %d a Gone", len(b.frames), len(b.gone))
	}
}

// dial connects over a pipe.
func (b *bed) dial(from string) net.Conn {
	client, server := net.Pipe()
	b.t.Cleanup(func() { client.Close() })
	b.pipes.next <- addressed{server, tcpAddr(from), b.pipes.Addr()}
	return client
}

// conn waits until n messages came in all, and returns the only connection.
func (b *bed) conn(n int) *Conn {
	b.t.Helper()
	for range n {
		<-b.told
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.frames) != 1 {
		b.t.Fatalf("%d connections", len(b.frames))
	}
	for c := range b.frames {
		return c
	}
	return nil
}

// over checks how many connections ended for a reason.
func (b *bed) over(r Reason, want uint64) {
	b.t.Helper()
	if got := b.Counters().Over(r); got != want {
		b.t.Errorf("%v: %d, want %d", r, got, want)
		for r := range Reason(NumReasons) {
			if n := b.Counters().Over(r); n != 0 {
				b.t.Logf("%v: %d", r, n)
			}
		}
	}
}

// put writes, and may fail.
func put(c net.Conn, bs ...[]byte) { _, _ = c.Write(bytes.Join(bs, nil)) }

// silence reads until the end and checks that nothing came before it.
func silence(t *testing.T, c net.Conn) {
	t.Helper()
	if b, _ := io.ReadAll(c); len(b) != 0 {
		t.Errorf("%d bytes came: %x", len(b), b)
	}
}

var certificate = func() func(testing.TB) *tls.Config {
	make := sync.OnceValues(selfSigned)
	return func(t testing.TB) *tls.Config {
		t.Helper()
		cert, err := make()
		if err != nil {
			t.Fatal(err)
		}
		return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, SessionTicketsDisabled: true}
	}
}()

func selfSigned() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

func overTLS(c net.Conn) *tls.Conn { return tls.Client(c, &tls.Config{InsecureSkipVerify: true}) }

func prefixes(all ...string) (list []netip.Prefix) {
	for _, s := range all {
		list = append(list, netip.MustParsePrefix(s))
	}
	return list
}

// read reads n bytes.
func read(t *testing.T, c io.Reader, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	if _, err := io.ReadFull(c, b); err != nil {
		t.Fatal(err)
	}
	return b
}
