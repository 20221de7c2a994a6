package main

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// connect opens connections, each from another address, that begin a handshake
// and go no further.
func (f flood) connect(ctx context.Context) (did flooded, err error) {
	hello, err := halfHello()
	if err != nil {
		return did, err
	}
	var open sync.WaitGroup
	var closed, heard atomic.Int64
	hold, release := context.WithCancel(context.Background())
	tick := time.NewTicker(floodTick)
	defer tick.Stop()
	for begin := time.Now(); ctx.Err() == nil; <-tick.C {
		for ; due(f.rate, time.Since(begin), did.Sent) > 0; did.Sent++ {
			did.SentBytes += len(hello)
			from := stranger(did.Sent)
			open.Go(func() {
				n, gone := holdOpen(hold, from, hello)
				heard.Add(n)
				if gone {
					closed.Add(1)
				}
			})
		}
	}
	did.Replies = int(closed.Load()) // before all are given up
	release()
	open.Wait()
	did.ReplyBytes = int(heard.Load())
	return did, nil
}

// stranger is the i-th address of who floods.
func stranger(i int) netip.Addr {
	b := strangerNet.Addr().As4()
	b[2], b[3] = byte(1+i/250%250), byte(1+i%250)
	return netip.AddrFrom4(b)
}

// holdOpen connects, sends, and reads until the server closes or the context
// ends. A connection that does not come about is one that the server has not.
func holdOpen(ctx context.Context, from netip.Addr, hello []byte) (heard int64, closed bool) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: from.AsSlice()}}
	c, err := d.DialContext(ctx, "tcp4", netip.AddrPortFrom(serverHost, tlsPort).String())
	if err != nil {
		return 0, ctx.Err() == nil
	}
	defer func() { _ = c.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = c.SetReadDeadline(time.Now()) })
	defer stop()
	_, _ = c.Write(hello) // or it is closed already, which reading tells
	heard, _ = io.Copy(io.Discard, c)
	return heard, ctx.Err() == nil
}

// halfHello is the first half of what a TLS client begins with.
func halfHello() ([]byte, error) {
	here, there := net.Pipe()
	var client sync.WaitGroup
	client.Go(func() {
		// It ends when the other end is closed.
		_ = tls.Client(there, &tls.Config{ServerName: "turn.example.org"}).Handshake()
	})
	hello := make([]byte, 4096)
	n, err := here.Read(hello)
	_ = here.Close()
	client.Wait()
	return hello[:n/2], err
}
