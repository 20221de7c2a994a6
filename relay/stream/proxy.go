package stream

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"

	"github.com/pires/go-proxyproto"
)

const (
	proxyV1Max    = 107 // bytes of a whole line
	proxyV2Header = 16  // bytes, with the length of the rest
	proxyMax      = 4 << 10
)

var errProxy = errors.New("stream: no PROXY header of a TCP client")

// proxyHeader is a PROXY header; size is 0 while a part of it is missing. The
// client is invalid where the proxy speaks for itself (LOCAL, as for its health
// checks) or does not know (UNKNOWN).
type proxyHeader struct {
	size   int
	client netip.AddrPort
}

// parseProxy reads the PROXY header that b begins with, or a part of it. Where
// it ends is found here, so that the parser gets all of it and no more: by
// itself it takes a version 1 line that comes in two segments for an attack.
func parseProxy(b []byte) (proxyHeader, error) {
	size, err := proxySize(b)
	if size == 0 || err != nil {
		return proxyHeader{}, err
	}
	h, err := proxyproto.Read(bufio.NewReaderSize(bytes.NewReader(b[:size]), size))
	if err != nil {
		return proxyHeader{}, err
	}
	if h.Command.IsLocal() {
		return proxyHeader{size: size}, nil
	}
	src, _, ok := h.TCPAddrs() // not of UDP and Unix sockets
	if !ok {
		return proxyHeader{}, errProxy
	}
	client := addrPort(src)
	if a := client.Addr(); !a.IsValid() || a.IsUnspecified() || a.IsMulticast() || a == broadcast || client.Port() == 0 {
		return proxyHeader{}, errProxy
	}
	return proxyHeader{size, client}, nil
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// proxySize is the size of the header that b begins with; 0 while that can't
// be told or a part is missing.
func proxySize(b []byte) (int, error) {
	switch {
	case begins(b, proxyproto.SIGV1):
		line := b[:min(len(b), proxyV1Max)]
		if end := bytes.IndexByte(line, '\n'); end >= 0 {
			return end + 1, nil
		}
		if len(line) == proxyV1Max {
			return 0, errProxy
		}
		return 0, nil
	case begins(b, proxyproto.SIGV2):
		if len(b) < proxyV2Header {
			return 0, nil
		}
		size := proxyV2Header + int(binary.BigEndian.Uint16(b[proxyV2Header-2:]))
		if size > proxyMax {
			return 0, errProxy
		}
		if len(b) < size {
			return 0, nil
		}
		return size, nil
	}
	return 0, errProxy
}

// begins reports whether b begins with sign, as far as it goes.
func begins(b, sign []byte) bool {
	n := min(len(b), len(sign))
	return bytes.Equal(b[:n], sign[:n])
}
