package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// shutdownPatience is how long HTTP requests under way may take to end.
const shutdownPatience = 3 * time.Second

// httpListeners are those of one HTTP service.
type httpListeners []net.Listener

// listenHTTP opens them, for most connections at a time each of those who may
// come, with TLS on the TCP ones if secure says how. On an error nothing stays open.
func listenHTTP(at []endpoint, most int, who *admission, secure *tls.Config, otherPorts bool) (open httpListeners, err error) {
	for _, e := range at {
		l, err := e.listen(otherPorts)
		if err != nil {
			open.close()
			return nil, err
		}
		l = newCapped(l, most, who)
		if secure != nil && e.network != "unix" {
			l = tlsListener{tls.NewListener(l, secure)}
		}
		open = append(open, l)
	}
	return open, nil
}

// tlsListener tells its endpoint apart from one without TLS.
type tlsListener struct{ net.Listener }

// listen opens an endpoint, on another port if this one is taken and that is
// allowed.
func (e endpoint) listen(otherPorts bool) (net.Listener, error) {
	if e.network == "unix" {
		return listenUnix(e.address)
	}
	l, err := net.Listen(e.network, e.address)
	if otherPorts && errors.Is(err, syscall.EADDRINUSE) {
		host, _, _ := net.SplitHostPort(e.address)
		l, err = net.Listen(e.network, net.JoinHostPort(host, "0"))
	}
	return l, err
}

// listenUnix opens a socket for its owner and group. What a killed process has
// left behind is taken away, but no socket that somebody listens on, and no
// other file.
func listenUnix(path string) (net.Listener, error) {
	if info, err := os.Lstat(path); err == nil {
		if info.Mode().Type() != fs.ModeSocket {
			return nil, fmt.Errorf("%s is there and no socket; name another path", path)
		}
		c, err := net.Dial("unix", path)
		if err == nil {
			c.Close()
		}
		if !errors.Is(err, syscall.ECONNREFUSED) { // a busy one, and one of another user, may refuse otherwise
			return nil, fmt.Errorf("somebody listens on %s; name another path", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o660); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

func (l httpListeners) close() {
	for _, x := range l {
		x.Close()
	}
}

// endpoints are where they listen, with the ports they were given.
func (l httpListeners) endpoints() (at []endpoint) {
	for _, x := range l {
		_, secure := x.(tlsListener)
		at = append(at, endpoint{network: x.Addr().Network(), address: x.Addr().String(), secure: secure})
	}
	return at
}

// tcp are the addresses of those that are no unix sockets.
func (l httpListeners) tcp() (at []netip.AddrPort) {
	for _, x := range l {
		if a, ok := x.Addr().(*net.TCPAddr); ok {
			at = append(at, netip.AddrPortFrom(a.AddrPort().Addr().Unmap(), a.AddrPort().Port()))
		}
	}
	return at
}

// strict tells browsers to come over HTTPS alone for two years. Over plain HTTP
// nothing is said (RFC 6797 §7.2): a unix socket is for a proxy, which knows
// what it speaks itself.
func strict(srv *http.Server) *http.Server {
	h := srv.Handler
	srv.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS != nil {
			w.Header().Set("Strict-Transport-Security", "max-age=63072000")
		}
		h.ServeHTTP(w, r)
	})
	return srv
}

// serve serves each listener until ctx ends; then requests under way may
// finish.
func (l httpListeners) serve(ctx context.Context, group *errgroup.Group, newServer func() *http.Server) {
	for _, x := range l {
		srv := newServer()
		group.Go(func() error {
			if err := srv.Serve(x); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		})
		group.Go(func() error {
			<-ctx.Done()
			patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownPatience)
			defer cancel()
			if srv.Shutdown(patience) != nil {
				return srv.Close()
			}
			return nil
		})
	}
}
