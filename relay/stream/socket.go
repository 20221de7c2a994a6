package stream

import (
	"net"
	"time"
)

const (
	// sendBuffer bounds what the kernel holds for a client that does not read;
	// on its own it would grow to megabytes.
	sendBuffer = 256 << 10

	// A held connection may be silent for ever: probes find out that the client
	// is gone without a word.
	probeAfter    = time.Minute
	probeInterval = 15 * time.Second
	probes        = 4
)

// tune sets a socket's options. None of them is worth refusing a client for.
func tune(raw net.Conn) {
	tcp, ok := raw.(*net.TCPConn)
	if !ok {
		return
	}
	_ = tcp.SetNoDelay(true)
	_ = tcp.SetWriteBuffer(sendBuffer)
	_ = tcp.SetKeepAliveConfig(net.KeepAliveConfig{
		Enable: true, Idle: probeAfter, Interval: probeInterval, Count: probes,
	})
}

// reset closes a socket and has the kernel forget it at once. It never waits.
func reset(raw net.Conn) {
	if tcp, ok := raw.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = raw.Close()
}
