package engine

import (
	"net"
	"sync"

	"github.com/pion/turn/v4"
)

// stock is a pion server as its users run it, but for its packet connection,
// which is a script: next gives the message and its sender, nil ends it. All
// run on pion's goroutine.
type stock struct {
	noDeadlines
	next   func() ([]byte, *net.UDPAddr)
	codec  codec
	serial uint64
	nonce  string
	last   answer
	end    sync.WaitGroup
}

func startStock(next func(s *stock) ([]byte, *net.UDPAddr)) (*stock, error) {
	key := make([]byte, keySize)
	s := &stock{codec: newCodec(key)}
	s.next = func() ([]byte, *net.UDPAddr) {
		if s.nonce == "" && s.last.nonce == "" {
			return appendProbe(nil, 1), pseudoAddr(1)
		}
		s.nonce = s.last.nonce
		s.next = func() ([]byte, *net.UDPAddr) { return next(s) }
		return s.next()
	}
	s.end.Add(1)
	_, err := turn.NewServer(turn.ServerConfig{
		PacketConnConfigs: []turn.PacketConnConfig{{PacketConn: s, RelayAddressGenerator: stockGenerator{}}},
		Realm:             realm,
		AuthHandler:       func(_, _ string, _ net.Addr) ([]byte, bool) { return key, true },
		LoggerFactory:     new(logs),
		InboundMTU:        maxMessage + 1,
	})
	return s, err
}

// request encodes a signed request of a new transaction.
func (s *stock) request(r Request, seconds uint32) []byte {
	s.serial++
	return s.codec.appendRequest(nil, &r, seconds, s.serial, s.nonce)
}

func (s *stock) ReadFrom(p []byte) (int, net.Addr, error) {
	b, from := s.next()
	if b == nil {
		s.end.Done()
		return 0, nil, net.ErrClosed
	}
	return copy(p, b), from, nil
}

func (s *stock) WriteTo(p []byte, _ net.Addr) (int, error) {
	if s.nonce == "" || p[0] == 1 && p[1]&0x10 != 0 { // until the script begins, and errors
		s.last, _ = decode(p)
	}
	return len(p), nil
}

func (s *stock) LocalAddr() net.Addr { return pseudoAddr(0) }
func (s *stock) Close() error        { return nil }

// stockGenerator makes relays that receive nothing until they are closed.
type stockGenerator struct{}

func (stockGenerator) Validate() error { return nil }
func (stockGenerator) AllocateConn(string, int) (net.Conn, net.Addr, error) {
	return nil, nil, errNoAllocate
}

func (stockGenerator) AllocatePacketConn(string, int) (net.PacketConn, net.Addr, error) {
	return &stockRelay{quit: make(chan struct{})}, net.UDPAddrFromAddrPort(relay4), nil
}

type stockRelay struct {
	noDeadlines
	quit chan struct{}
}

func (r *stockRelay) ReadFrom([]byte) (int, net.Addr, error) {
	<-r.quit
	return 0, nil, net.ErrClosed
}
func (r *stockRelay) WriteTo(p []byte, _ net.Addr) (int, error) { return len(p), nil }
func (r *stockRelay) Close() error                              { close(r.quit); return nil }
func (r *stockRelay) LocalAddr() net.Addr                       { return net.UDPAddrFromAddrPort(relay4) }
