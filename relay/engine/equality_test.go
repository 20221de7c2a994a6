package engine

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/turn/v4"
)

// TestEquality soaks one engine with 16 clients for hours of fake time, and
// finds the allocations, permissions and channels told by the results, with
// deadlines of our own, to be the ones that pion has by its own events.
func TestEquality(t *testing.T) {
	rounds := 60
	if testing.Short() {
		rounds = 12
	}
	synctest.Test(t, func(t *testing.T) {
		book := &pionBook{live: map[string]bool{}}
		e, err := start(Options{}, book.events())
		if err != nil {
			t.Fatal(err)
		}
		users := make([]*user, 16)
		for i := range users {
			users[i] = &user{t: t, e: e, rand: rand.New(rand.NewPCG(uint64(i), 1)), sessions: map[*Leg]*session{}}
		}
		compared := 0
		for range rounds {
			until := time.Now().Add(10 * time.Minute)
			var wg sync.WaitGroup
			for _, u := range users {
				wg.Go(func() { u.live(until) })
			}
			wg.Wait()
			synctest.Wait()
			compared += compare(t, e, book, users)
		}
		var sessions, requests int
		for _, u := range users {
			sessions, requests = sessions+u.opened, requests+u.requests
			if u.opened != u.closed+len(u.sessions) {
				t.Errorf("%d opened, %d closed, %d live", u.opened, u.closed, len(u.sessions))
			}
		}
		t.Logf("%d sessions, %d requests, %d live entries compared", sessions, requests, compared)
		if errors := e.Logged(LevelError); errors != 0 {
			t.Errorf("pion logged %d errors", errors)
		}
		closeChecked(t, e)
	})
}

// compare returns how many entries were the same in both books.
func compare(t *testing.T, e *Engine, book *pionBook, users []*user) int {
	t.Helper()
	ours := map[string]bool{}
	allocations := 0
	for _, u := range users {
		u.list(time.Now(), ours)
		allocations += len(u.sessions)
	}
	if n := e.door.server.AllocationCount(); n != allocations {
		t.Errorf("pion counts %d allocations, we %d", n, allocations)
	}
	book.mu.Lock()
	defer book.mu.Unlock()
	for k := range ours {
		if !book.live[k] {
			t.Errorf("only we have %s", k)
		}
	}
	for k := range book.live {
		if !ours[k] {
			t.Errorf("only pion has %s", k)
		}
	}
	return len(ours)
}

// pionBook is what pion has, by its events.
type pionBook struct {
	mu   sync.Mutex
	live map[string]bool
}

func (b *pionBook) set(live bool, key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if live {
		b.live[key] = true
	} else {
		delete(b.live, key)
	}
}

func allocationKey(client net.Addr) string { return client.String() }

func permissionKey(client net.Addr, peer netip.Addr) string {
	return fmt.Sprint(client, " permits ", peer.Unmap())
}

func channelKey(client net.Addr, peer netip.AddrPort, number uint16) string {
	return fmt.Sprint(client, " channel ", number, netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port()))
}

func (b *pionBook) events() turn.EventHandler {
	permission := func(live bool) func(src, dst net.Addr, protocol, username, realm string, relay net.Addr, peer net.IP) {
		return func(src, _ net.Addr, _, _, _ string, _ net.Addr, peer net.IP) {
			a, _ := netip.AddrFromSlice(peer)
			b.set(live, permissionKey(src, a))
		}
	}
	channel := func(live bool) func(src, dst net.Addr, protocol, username, realm string, relay, peer net.Addr, number uint16) {
		return func(src, _ net.Addr, _, _, _ string, _, peer net.Addr, number uint16) {
			b.set(live, channelKey(src, peer.(*net.UDPAddr).AddrPort(), number))
		}
	}
	return turn.EventHandler{
		OnAllocationCreated: func(src, _ net.Addr, _, _, _ string, _ net.Addr, _ int) { b.set(true, allocationKey(src)) },
		OnAllocationDeleted: func(src, _ net.Addr, _, _, _ string) { b.set(false, allocationKey(src)) },
		OnPermissionCreated: permission(true),
		OnPermissionDeleted: permission(false),
		OnChannelCreated:    channel(true),
		OnChannelDeleted:    channel(false),
	}
}

// user is a client with some sessions, and keeps the book that a relay would.
type user struct {
	t        *testing.T
	e        *Engine
	rand     *rand.Rand
	sessions map[*Leg]*session
	order    []*Leg // of sessions, so that a seed gives one walk

	opened, closed, requests int
}

type session struct {
	end         time.Time
	permissions map[netip.Addr]time.Time
	channels    map[uint16]channelEntry
}

type channelEntry struct {
	peer netip.AddrPort
	end  time.Time
}

// live walks at random until a time, ending sessions when they are over. No two
// instants of the walk are apart by a whole second, except by design: an entry
// refreshed at the instant of its expiry is lost (see the package comment).
func (u *user) live(until time.Time) {
	for {
		at := time.Now().Add(time.Duration(u.rand.Int64N(int64(20 * time.Second))))
		var due *Leg
		for _, l := range u.order {
			if s := u.sessions[l]; !s.end.After(at) {
				at, due = s.end, l
			}
		}
		if !at.Before(until) {
			time.Sleep(time.Until(until))
			return
		}
		time.Sleep(time.Until(at))
		if due != nil {
			u.end(due)
		} else {
			u.act()
		}
	}
}

func (u *user) act() {
	what := u.rand.IntN(20)
	if len(u.order) == 0 || what == 0 && len(u.order) < 12 {
		u.allocate()
		return
	}
	l := u.order[u.rand.IntN(len(u.order))]
	switch {
	case what < 2:
		u.end(l)
	case what < 6:
		u.refresh(l)
	case what < 13:
		u.permit(l)
	default:
		u.bind(l)
	}
}

func (u *user) lifetime() time.Duration {
	return time.Second + time.Duration(u.rand.Int64N(int64(20*time.Minute)))
}

func (u *user) do(r Request, w Result) bool {
	u.requests++
	want(u.t, u.e, r, w)
	return w.OK()
}

func (u *user) allocate() {
	addr := relay4
	if u.rand.IntN(3) == 0 {
		addr = relay6
	}
	l := u.e.NewLeg(
		func() (netip.AddrPort, error) { u.opened++; return addr, nil },
		func() { u.closed++ })
	d := u.lifetime()
	if u.do(allocate(l, d), Result{Lifetime: d, Relayed: addr}) {
		u.order = append(u.order, l)
		u.sessions[l] = &session{
			end:         time.Now().Add(d),
			permissions: map[netip.Addr]time.Time{},
			channels:    map[uint16]channelEntry{},
		}
	}
}

func (u *user) refresh(l *Leg) {
	d := u.lifetime()
	if u.do(refresh(l, d), Result{Lifetime: d}) {
		u.sessions[l].end = time.Now().Add(d)
	}
}

func (u *user) end(l *Leg) {
	before := u.closed
	u.do(refresh(l, 0), Result{})
	if u.closed != before+1 {
		u.t.Errorf("closed ran %d times in a Refresh 0", u.closed-before)
	}
	delete(u.sessions, l)
	u.order = slices.DeleteFunc(u.order, func(o *Leg) bool { return o == l })
	switch u.rand.IntN(3) {
	case 0:
		u.do(permit(l, u.peer()), Result{Unanswered: true})
	case 1:
		u.do(bind(l, 0x4000, u.peer()), Result{Unanswered: true})
	}
}

// peer is one of 24: 8 addresses of both families, 2 ports, and half of the IPv4
// ones in their IPv4-mapped form.
func (u *user) peer() netip.AddrPort {
	n := u.rand.IntN(8)
	addr := netip.AddrFrom4([4]byte{198, 51, 100, byte(n)})
	if n%2 == 0 {
		addr = netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: byte(n)})
	} else if u.rand.IntN(2) == 0 {
		addr = netip.AddrFrom16(addr.As16())
	}
	return netip.AddrPortFrom(addr, uint16(1+u.rand.IntN(2)))
}

func (u *user) permit(l *Leg) {
	peers := make([]netip.AddrPort, 1+u.rand.IntN(3))
	for i := range peers {
		peers[i] = u.peer()
	}
	if u.do(permit(l, peers...), Result{}) {
		for _, p := range peers {
			u.sessions[l].permit(p.Addr())
		}
	}
}

func (s *session) permit(peer netip.Addr) {
	s.permissions[peer.Unmap()] = time.Now().Add(300 * time.Second)
}

func (u *user) bind(l *Leg) {
	s := u.sessions[l]
	peer, number := u.peer(), 0x4000+uint16(u.rand.IntN(6))
	peer = netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port())
	var w Result
	maps.DeleteFunc(s.channels, func(_ uint16, c channelEntry) bool { return !c.end.After(time.Now()) })
	for n, c := range s.channels {
		if (n == number) != (c.peer == peer) {
			w.Code = 400
		}
	}
	if u.do(bind(l, number, peer), w) {
		s.channels[number] = channelEntry{peer, time.Now().Add(600 * time.Second)}
		s.permit(peer.Addr())
	}
}

// list adds what lives now.
func (u *user) list(now time.Time, to map[string]bool) {
	for l, s := range u.sessions {
		to[allocationKey(&l.addr)] = true
		for peer, end := range s.permissions {
			if end.After(now) {
				to[permissionKey(&l.addr, peer)] = true
			}
		}
		for number, c := range s.channels {
			if c.end.After(now) {
				to[channelKey(&l.addr, c.peer, number)] = true
			}
		}
	}
}
