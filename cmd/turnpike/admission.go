package main

import (
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"

	"turnpike/pkg/issuer"
)

// admission says who may use an HTTP service, by address. It may change while
// that serves. The zero value, as a nil one, admits everybody.
type admission struct {
	list    atomic.Pointer[func(netip.Addr) bool]
	proxies atomic.Pointer[issuer.Proxies] // who says for whom it asks
	refused atomic.Uint64                  // connections and requests
}

func (a *admission) set(list func(netip.Addr) bool) { a.list.Store(&list) }

func (a *admission) trust(proxies issuer.Proxies) { a.proxies.Store(&proxies) }

func (a *admission) trusted() issuer.Proxies {
	if p := a.proxies.Load(); p != nil {
		return *p
	}
	return nil
}

// admits judges a TCP client; one that came by a unix socket is of this host, and
// file permissions have judged it. Of a trusted proxy the requests are judged, each
// by who asks.
func (a *admission) admits(from net.Addr) bool {
	tcp, ok := from.(*net.TCPAddr)
	if !ok || a == nil {
		return true
	}
	ip := tcp.AddrPort().Addr().Unmap().WithZone("")
	return a.trusted().Trusts(ip) || a.admitsIP(ip)
}

func (a *admission) admitsIP(ip netip.Addr) bool {
	list := a.list.Load()
	if list == nil || *list == nil || (*list)(ip) {
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

// handler drops the requests of a client that may not come, on a connection that it
// has from before or through a proxy. One of which the proxy does not say who asks
// the issuer refuses by itself.
func (a *admission) handler(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from, err := a.trusted().Client(r)
		_, notTCP := netip.ParseAddrPort(r.RemoteAddr)
		byUnix := notTCP != nil && from.IsLoopback()
		if err == nil && !byUnix && !a.admitsIP(from) {
			panic(http.ErrAbortHandler)
		}
		h.ServeHTTP(w, r)
	})
}
