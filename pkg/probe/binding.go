package probe

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/pion/stun/v3"
)

const (
	// firstWait is RTO: the wait before the second request, doubled before each
	// that follows. RFC 8489 §6.2.1.
	firstWait = 500 * time.Millisecond
	// patience is the last of Rc = 7 requests, sent at 63 RTO, and Rm = 16 RTO
	// after it; and Ti, which streams have (RFC 8489 §6.2.2).
	patience = (63 + 16) * firstWait
	// maxResponse is more than an answer to Binding needs.
	maxResponse = 2048
)

var errSilence = fmt.Errorf("nothing came within %v", patience)

// Options of [Binding].
type Options struct {
	// Local is the address to ask from; zero: the system chooses.
	Local netip.Addr
	// TLS is for network "tls". Without a ServerName, and nil, it verifies the
	// certificate for the server's IP address.
	TLS *tls.Config
}

// Binding sends a STUN Binding request to a server over udp, tcp or tls and
// returns the address it is seen from. Over UDP it asks again as RFC 8489
// §6.2.1 says. The error wraps ctx's when that ended it.
func Binding(ctx context.Context, network string, server netip.AddrPort, o Options) (netip.AddrPort, error) {
	var q question
	conn, err := dial(ctx, network, server, o.Local)
	if err == nil {
		var seen netip.AddrPort
		if seen, err = q.ask(ctx, conn, network, server.Addr(), o.TLS); err == nil {
			return seen, nil
		}
	}
	if q.passed != nil {
		err = fmt.Errorf("%w; passed over: %w", err, q.passed)
	}
	return netip.AddrPort{}, fmt.Errorf("probe: %s %s: %w", network, server, err)
}

// dial connects, UDP too: then the kernel hands us nothing from elsewhere, and
// tells us when nobody listens there.
func dial(ctx context.Context, network string, server netip.AddrPort, local netip.Addr) (net.Conn, error) {
	server = netip.AddrPortFrom(server.Addr().Unmap(), server.Port())
	if !server.IsValid() || server.Addr().IsUnspecified() || server.Port() == 0 {
		return nil, errors.New("not the address of a server: give one with its port")
	}
	d := net.Dialer{Timeout: patience}
	if local = local.Unmap(); local.IsValid() {
		if local.Is4() != server.Addr().Is4() {
			return nil, fmt.Errorf("cannot be asked from %s: give a local address of the same family", local)
		}
		from := netip.AddrPortFrom(local, 0)
		if d.LocalAddr = net.TCPAddrFromAddrPort(from); network == "udp" {
			d.LocalAddr = net.UDPAddrFromAddrPort(from)
		}
	}
	switch network {
	case "udp":
		return d.DialContext(ctx, "udp", server.String())
	case "tcp", "tls":
		return d.DialContext(ctx, "tcp", server.String())
	}
	return nil, errors.New("unknown network: want udp, tcp or tls")
}

// question is a request, and what came of it.
type question struct {
	request *stun.Message
	passed  error // why the last packet that was passed over does not count
}

// ask puts the question over raw, which it closes.
func (q *question) ask(ctx context.Context, raw net.Conn, network string, server netip.Addr, c *tls.Config) (seen netip.AddrPort, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errSilence)
	defer cancel()
	defer raw.Close()
	defer context.AfterFunc(ctx, func() { raw.Close() })() // ends whatever waits
	if q.request, err = stun.Build(stun.TransactionID, stun.BindingRequest, stun.Fingerprint); err != nil {
		return seen, err
	}
	switch network {
	case "udp":
		seen, err = q.datagram(raw)
	case "tcp":
		seen, err = q.stream(raw)
	default:
		conn := tls.Client(raw, clientTLS(c, server))
		defer conn.Close()
		if err = conn.HandshakeContext(ctx); err == nil {
			seen, err = q.stream(conn)
		}
	}
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("no answer: %w", context.Cause(ctx))
	}
	return seen, err
}

func clientTLS(c *tls.Config, server netip.Addr) *tls.Config {
	if c = c.Clone(); c == nil {
		c = new(tls.Config)
	}
	if c.ServerName == "" {
		c.ServerName = server.Unmap().WithZone("").String()
	}
	return c
}

// datagram asks again and again until conn is closed.
func (q *question) datagram(conn net.Conn) (none netip.AddrPort, err error) {
	buf := make([]byte, maxResponse)
	for wait := firstWait; ; wait *= 2 {
		if _, err := conn.Write(q.request.Raw); err != nil {
			return none, err
		}
		if err := conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
			return none, err
		}
		for {
			n, err := conn.Read(buf)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			if err != nil {
				return none, err
			}
			response, err := decode(buf[:n], q.request.TransactionID)
			if err == nil {
				return result(response)
			}
			q.passed = err
		}
	}
}

// stream asks once: what is sent arrives (RFC 8489 §6.2.2).
func (q *question) stream(conn net.Conn) (none netip.AddrPort, err error) {
	if _, err := conn.Write(q.request.Raw); err != nil {
		return none, err
	}
	buf := make([]byte, maxResponse)
	if _, err := io.ReadFull(conn, buf[:headerSize]); err != nil {
		return none, err
	}
	n := headerSize + int(binary.BigEndian.Uint16(buf[2:]))
	if !stun.IsMessage(buf[:headerSize]) || n > len(buf) {
		return none, errNotSTUN
	}
	if _, err := io.ReadFull(conn, buf[headerSize:n]); err != nil {
		return none, err
	}
	response, err := decode(buf[:n], q.request.TransactionID)
	if err != nil {
		return none, err
	}
	return result(response)
}
