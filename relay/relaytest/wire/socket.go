package wire

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"time"
)

// Dialer dials a server by sockets. config is for TLS; patience bounds the wait
// for a message.
func Dialer(server netip.AddrPort, config *tls.Config, patience time.Duration) func(Over, netip.AddrPort) (Conn, error) {
	return func(over Over, local netip.AddrPort) (Conn, error) {
		if over == UDP {
			c, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(local), net.UDPAddrFromAddrPort(server))
			return socket{c, patience, readDatagram}, err
		}
		from := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(local), Timeout: patience}
		c, err := from.Dial("tcp", server.String())
		if err == nil && over == TLS {
			c = tls.Client(c, config)
		}
		return socket{c, patience, readMessage}, err
	}
}

// socket is a five-tuple of this host's.
type socket struct {
	net.Conn
	patience time.Duration
	read     func(io.Reader, []byte) (int, error)
}

func (s socket) Write(b []byte) error {
	_, err := s.Conn.Write(b)
	return err
}

func (s socket) Read() ([]byte, error) {
	if err := s.SetReadDeadline(time.Now().Add(s.patience)); err != nil {
		return nil, err
	}
	b := make([]byte, 1<<16)
	n, err := s.read(s.Conn, b)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, ErrNothing
	}
	return b[:n], err
}

func readDatagram(r io.Reader, b []byte) (int, error) { return r.Read(b) }

// readMessage cuts a message out of a stream: ChannelData with its padding (RFC
// 8656 §12.5).
func readMessage(r io.Reader, b []byte) (int, error) {
	if n, err := io.ReadFull(r, b[:4]); err != nil {
		return n, err
	}
	rest := headerSize - 4 + int(binary.BigEndian.Uint16(b[2:]))
	if b[0]>>6 == 1 {
		rest = (int(binary.BigEndian.Uint16(b[2:])) + 3) &^ 3
	}
	n, err := io.ReadFull(r, b[4:4+rest])
	return 4 + n, err
}
