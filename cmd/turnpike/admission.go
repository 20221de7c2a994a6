package main

import (
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
)

// admission says who may use an HTTP service, by address. It may change while
// that serves. The zero value, as a nil one, admits everybody.
type admission struct {
	list    atomic.Pointer[func(netip.Addr) bool]
	refused atomic.Uint64 // connections and requests
}

func (a *admission) set(list func(netip.Addr) bool) { a.list.Store(&list) }

// admits judges a TCP client; one that came by a unix socket is of this host, and
// file permissions have judged it.
func (a *admission) admits(from net.Addr) bool {
	tcp, ok := from.(*net.TCPAddr)
	return !ok || a.admitsIP(tcp.AddrPort().Addr())
}

func (a *admission) admitsIP(ip netip.Addr) bool {
	if a == nil {
		return true
	}
	list := a.list.Load()
	if list == nil || *list == nil || (*list)(ip.Unmap().WithZone("")) {
		return true
	}
	a.refused.Add(1)
	return false
}

// guard has a server drop what handler does.
func (a *admission) guard(server *http.Server) *http.Server {
	server.Handler = a.handler(server.Handler)
	return server
}

// handler drops the requests of a client that may not come any more, on a
// connection that it has from before.
func (a *admission) handler(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if at, err := netip.ParseAddrPort(r.RemoteAddr); err == nil && !a.admitsIP(at.Addr()) {
			panic(http.ErrAbortHandler)
		}
		h.ServeHTTP(w, r)
	})
}
