package issuer

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"math"
	"slices"
	"strings"

	"turnpike/auth"
	"turnpike/ratelimit"
)

// spread is how many nodes a client without a room is told of: the second is for
// the moment in which the first is gone and nobody has noticed.
const spread = 2

// leastSpare is what a full node counts for: it may have room again by the time a
// client gets there, and it is better than none.
const leastSpare = 0.01

// addresses are where a client is sent.
type addresses struct{ turn, stun []string }

var noNode = &refusal{code: NoNode, detail: "every relay is draining or gone: try again in a few seconds"}

// steer chooses where a client is sent: to this server, or to nodes of its fleet
// that are not about to go. Transports are those asked for, which have to be the
// role's, as far as there is somebody to serve them.
func (s *Server) steer(key *grant, a ask, role *auth.Role) (addresses, *refusal) {
	over, refused := allowed(a.transports, role)
	if refused != nil {
		return addresses{}, refused
	}
	nodes, fleet := s.staying()
	if len(nodes) == 0 {
		return addresses{}, noNode
	}
	reached := only(nodes, over)
	if len(reached) == 0 {
		return addresses{}, &refusal{code: InvalidTransports, field: "transports",
			detail: "this server is reached over " + names(offered(nodes)) + ", and not over " + names(over)}
	}
	if !fleet {
		to := addresses{turn: reached[0].URIs}
		if over.Have(auth.UDP) { // STUN is over UDP: whoever wants none of that is told of none
			to.stun = s.stun
		}
		return to, nil
	}
	return addressesOf(choose(reached, key.Tenant, value(a.room))), nil
}

// staying are the nodes that take new clients. Without a fleet it is this server,
// as it is.
func (s *Server) staying() (nodes []ratelimit.Node, fleet bool) {
	if s.nodes != nil {
		if nodes = s.nodes(); nodes != nil {
			return slices.DeleteFunc(slices.Clone(nodes), func(n ratelimit.Node) bool { return n.Draining || len(n.URIs) == 0 }), true
		}
	}
	return []ratelimit.Node{{URIs: s.uris}}, false
}

// only leaves of the nodes' URIs those over some transports, and the nodes that
// have such.
func only(nodes []ratelimit.Node, over auth.Transports) (fit []ratelimit.Node) {
	for _, n := range nodes {
		if over != 0 {
			n.URIs = slices.DeleteFunc(slices.Clone(n.URIs), func(uri string) bool { return !over.Have(TransportOf(uri)) })
		}
		if len(n.URIs) > 0 {
			fit = append(fit, n)
		}
	}
	return fit
}

func offered(nodes []ratelimit.Node) (all auth.Transports) {
	for _, n := range nodes {
		for _, uri := range n.URIs {
			all |= TransportOf(uri)
		}
	}
	return all
}

// choose picks nodes by rendezvous hashing: each has a draw, and the lowest wins.
// A room's draws are the same for whoever asks, wherever, so that both ends of a
// call meet on one node, and a node that comes or goes moves no room but those it
// takes or had. The load is left out of them, since it changes between the two
// askers. Without a room the draws are fresh, and weighted by what is spare.
func choose(nodes []ratelimit.Node, tenant, room string) []ratelimit.Node {
	key, most := rand.Text(), spread
	if room != "" {
		key, most = tenant+"\x00"+room, 1 // a tenant has no such character
	}
	type drawn struct {
		ratelimit.Node
		draw float64
	}
	all := make([]drawn, len(nodes))
	for i, n := range nodes {
		all[i] = drawn{n, draw(key, n.ID)}
		if room == "" {
			all[i].draw /= max(1-n.Load, leastSpare)
		}
	}
	slices.SortFunc(all, func(a, b drawn) int { return cmp.Or(cmp.Compare(a.draw, b.draw), cmp.Compare(a.ID, b.ID)) })
	chosen := make([]ratelimit.Node, min(most, len(all)))
	for i := range chosen {
		chosen[i] = all[i].Node
	}
	return chosen
}

// draw is exponentially distributed: divided by weights, the lowest of several is
// each with the probability of its weight.
func draw(key, node string) float64 {
	h := sha256.New()
	_, _ = io.WriteString(h, key+"\x00"+node) // it never fails
	n := binary.BigEndian.Uint64(h.Sum(nil))>>11 + 1
	return -math.Log(float64(n) / (1 << 53))
}

// addressesOf are those of the nodes, the first one's first; STUN is where they
// take UDP.
func addressesOf(nodes []ratelimit.Node) (to addresses) {
	for _, n := range nodes {
		to.turn = append(to.turn, thin(n.URIs, maxURIs/len(nodes))...)
	}
	for _, uri := range to.turn {
		if at, ok := strings.CutSuffix(uri, "?transport=udp"); ok {
			to.stun = append(to.stun, "stun:"+strings.TrimPrefix(at, "turn:"))
		}
	}
	return to
}

// thin leaves most of the URIs, so that no transport is lost: the last of the one
// thin leaves most of the URIs, so that no transport is lost: of the one that has
// the most, the last goes first.
func thin(uris []string, most int) []string {
	uris = slices.Clone(uris)
	for len(uris) > most {
		last, has := map[auth.Transports]int{}, map[auth.Transports]int{}
		worst := TransportOf(uris[0])
		for i, uri := range uris {
			t := TransportOf(uri)
			if last[t], has[t] = i, has[t]+1; has[t] >= has[worst] {
				worst = t
			}
		}
		uris = slices.Delete(uris, last[worst], last[worst]+1)
	}
	return uris
}
