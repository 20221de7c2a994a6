package relay_test

import (
	"fmt"
	"net/netip"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"turnpike/auth"
	"turnpike/pkg/netpolicy"
	"turnpike/relay"
	"turnpike/relay/dataplane"
	"turnpike/relay/gate"
	"turnpike/relay/relaytest"
)

// matrixRole is a row: a role, and its peers if it has some of its own.
type matrixRole struct {
	change func(*auth.Role)
	peers  []netpolicy.Line
}

func (r matrixRole) setup() setup {
	s := setup{role: r.change, policy: netpolicy.Options{}}
	if r.peers != nil {
		s.policy.Roles = map[string][]netpolicy.Line{auth.DefaultRoleName: r.peers}
	}
	return s
}

var matrixRoles = map[string]matrixRole{
	"default": {change: func(*auth.Role) {}},
	"presenter": {change: func(r *auth.Role) {
		r.Transports, r.SessionBits, r.UserBits, r.MaxSession, r.Allocations = auth.UDP|auth.TCP, 0, 1e6, 3*time.Hour, 0
	}},
	"viewer": {change: func(r *auth.Role) {
		r.SessionBits, r.Idle, r.Allocations = 1e6, 30*time.Minute, 2
	}, peers: netpolicy.Lines(netip.PrefixFrom(peerN(1).Addr(), 32))},
	"guest": {change: func(r *auth.Role) {
		r.Transports, r.TTL, r.MaxTTL, r.MaxSession, r.BytesPerDay = auth.UDP, 10*time.Minute, time.Hour, time.Hour, 100_000
		r.Allocations, r.RelayOnly = 1, true
	}, peers: []netpolicy.Line{{Preset: netpolicy.PresetSelf}}},
	"nobody": {change: func(*auth.Role) {}, peers: []netpolicy.Line{}},
}

// matrixActions are the columns: what comes of trying it under a role.
var matrixActions = []struct {
	name string
	try  func(*testing.T, setup) string
}{
	{"credential", tryIssue(0)},
	{"credential for 2h", tryIssue(2 * time.Hour)},
	{"relay only", func(t *testing.T, s setup) string {
		c, err := memBed(t, s).issuer.Issue(auth.Request{}, time.Now())
		must(t, err)
		return strconv.FormatBool(c.Role.RelayOnly)
	}},
	{"udp", tryTransport(gate.UDP)},
	{"tcp", tryTransport(gate.TCP)},
	{"tls", tryTransport(gate.TLS)},
	{"SFU", tryPeer(peerN(1))},
	{"another host", tryPeer(peerN(2))},
	{"private host", tryPeer(netip.MustParseAddrPort("10.1.2.3:4000"))},
	{"this host", tryPeer(netip.MustParseAddrPort("127.0.0.1:4000"))},
	{"another client", tryClient},
	{"allocations", tryAllocations},
	{"1 MB", tryMegabyte},
	{"two hours", tryHours(func(c *relaytest.Client) bool {
		time.Sleep(5 * time.Minute)
		r, err := c.Refresh(600 * time.Second)
		return err == nil && r.Code == 0
	})},
}

// matrix is what has to come of it: for each role a word for each action.
var matrix = map[string][]string{
	"default":   {"24h0m0s", "2h0m0s", "false", "0", "0", "0", "0", "0", "403", "403", "0", "20", "all", "alive"},
	"presenter": {"24h0m0s", "2h0m0s", "false", "0", "0", "403", "0", "0", "403", "403", "0", "more", "rate_user", "alive"},
	"viewer":    {"24h0m0s", "2h0m0s", "false", "0", "0", "0", "0", "403", "403", "403", "403", "2", "rate_session", "idle after 30m"},
	"guest":     {"10m0s", "refused", "true", "0", "403", "403", "403", "403", "403", "403", "0", "1", "quota_bytes", "max_session after 1h0m"},
	"nobody":    {"24h0m0s", "2h0m0s", "false", "0", "0", "0", "403", "403", "403", "403", "403", "20", "no peer", "alive"},
}

// Every role with every action.
func TestRoleMatrix(t *testing.T) {
	for name, role := range matrixRoles {
		if len(matrix[name]) != len(matrixActions) {
			t.Fatalf("%s: %d cells for %d actions", name, len(matrix[name]), len(matrixActions))
		}
		for i, action := range matrixActions {
			t.Run(name+"/"+action.name, func(t *testing.T) {
				if got := action.try(t, role.setup()); got != matrix[name][i] {
					t.Errorf("got %s, want %s", got, matrix[name][i])
				}
			})
		}
	}
}

func tryIssue(ttl time.Duration) func(*testing.T, setup) string {
	return func(t *testing.T, s setup) string {
		b := memBed(t, s)
		c, err := b.issuer.Issue(auth.Request{TTL: ttl}, time.Now())
		if err != nil {
			return "refused"
		}
		return c.TTL.String()
	}
}

func tryTransport(over gate.Transport) func(*testing.T, setup) string {
	return func(t *testing.T, s setup) string {
		b, certificate := streamBed(t, s)
		c := b.raw("alice")
		if over != gate.UDP {
			c = relaytest.NewStreamClient(b.dial(over, certificate), c.User)
		}
		return codeOf(t)(c.Allocate())
	}
}

// codeOf is an answer's code; 0 is success.
func codeOf(t *testing.T) func(relaytest.Response, error) string {
	return func(r relaytest.Response, err error) string {
		t.Helper()
		must(t, err)
		return strconv.Itoa(r.Code)
	}
}

// tryPeer asks for a permission and for a channel, which have to agree.
func tryPeer(peer netip.AddrPort) func(*testing.T, setup) string {
	return func(t *testing.T, s setup) string {
		c, _ := memBed(t, s).allocated("alice")
		permission, channel := codeOf(t)(c.CreatePermission(peer)), codeOf(t)(c.ChannelBind(0x4000, peer))
		if permission != channel {
			t.Errorf("a permission is answered %s, a channel %s", permission, channel)
		}
		return permission
	}
}

func tryClient(t *testing.T, s setup) string {
	b := memBed(t, s)
	_, relayed := b.allocated("bob")
	c, _ := b.allocated("alice")
	return codeOf(t)(c.ChannelBind(0x4000, relayed))
}

// tryAllocations counts how many a user gets, 21 at most.
func tryAllocations(t *testing.T, s setup) string {
	b := memBed(t, s)
	for n := range 21 {
		switch code := codeOf(t)(b.raw("alice").Allocate()); code {
		case "0":
		case "486":
			return strconv.Itoa(n)
		default:
			return "code " + code
		}
	}
	return "more"
}

// tryMegabyte sends it at once, to the SFU or else another client, and tells what
// stopped some of it.
func tryMegabyte(t *testing.T, s setup) (got string) {
	synctest.Test(t, func(t *testing.T) {
		b := memBed(t, s)
		_, relayed := b.allocated("bob")
		c, _ := b.allocated("alice")
		if codeOf(t)(c.ChannelBind(0x4000, peerN(1))) != "0" && codeOf(t)(c.ChannelBind(0x4000, relayed)) != "0" {
			got = "no peer"
			return
		}
		for range 1000 {
			must(t, c.SendChannel(0x4000, make([]byte, 1000)))
		}
		synctest.Wait()
		got = "all"
		for _, v := range []dataplane.Verdict{dataplane.RateSession, dataplane.RateUser, dataplane.QuotaBytes} {
			if b.plane.Counters().Dropped(v) > 0 {
				got = v.String()
			}
		}
	})
	return got
}

// tryHours keeps a session that carries nothing alive for two hours, if it may be.
func tryHours(refreshed func(*relaytest.Client) bool) func(*testing.T, setup) string {
	return func(t *testing.T, s setup) (got string) {
		synctest.Test(t, func(t *testing.T) {
			b := memBed(t, s)
			c, _ := b.allocated("alice")
			got = "alive"
			for begun := time.Now(); time.Since(begun) < 2*time.Hour; {
				if !refreshed(c) {
					got = lifeOf(b.wait(1)["alice"])
					return
				}
			}
		})
		return got
	}
}

func lifeOf(r relay.Record) string {
	lived := r.End.Sub(r.Start).Round(time.Minute)
	return fmt.Sprintf("%s after %s", r.Why, lived.String()[:len(lived.String())-2])
}
