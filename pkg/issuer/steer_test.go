package issuer

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"turnpike/auth"
	"turnpike/ratelimit"
)

func nodeOf(id string, load float64) ratelimit.Node {
	return ratelimit.Node{ID: id, Load: load, URIs: []string{
		"turn:" + id + ".example.org:3478?transport=udp", "turn:" + id + ".example.org:3478?transport=tcp", "turns:" + id + ".example.org:443?transport=tcp",
	}}
}

// fleetBed is a bed whose fleet the test may change.
func fleetBed(t *testing.T, nodes ...ratelimit.Node) (*bed, *[]ratelimit.Node) {
	b := newBed(t, func(o *Options) { o.Nodes = func() []ratelimit.Node { return nodes } })
	return b, &nodes
}

// hosts are the nodes of an answer, in its order.
func hosts(t *testing.T, w *httptest.ResponseRecorder) (ids []string) {
	t.Helper()
	var a answer
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	for _, uri := range append(slices.Clone(a.URIs), a.ICEServers[0].URLs...) {
		_, at, _ := strings.Cut(uri, ":")
		if id, _, _ := strings.Cut(at, "."); !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// Nobody is sent to a node that drains or is gone, and everybody to two.
func TestSteering(t *testing.T) {
	draining := nodeOf("draining", 0)
	draining.Draining = true
	b, nodes := fleetBed(t, nodeOf("a", 0.5), draining, nodeOf("b", 0.5), ratelimit.Node{ID: "mute"}, nodeOf("c", 0.5))
	seen := map[string]bool{}
	for range 200 {
		ids := hosts(t, b.post(`{"user":"alice"}`))
		if len(ids) != 2 {
			t.Fatalf("sent to %v", ids)
		}
		for _, id := range ids {
			seen[id] = true
		}
	}
	if len(seen) != 3 || seen["draining"] || seen["mute"] {
		t.Errorf("sent to %v", seen)
	}
	*nodes = []ratelimit.Node{nodeOf("b", 1)}
	if ids := hosts(t, b.post("")); !slices.Equal(ids, []string{"b"}) {
		t.Errorf("sent to %v", ids)
	}
	*nodes = []ratelimit.Node{draining}
	w := b.post("")
	if wantProblem(t, w, NoNode, ""); w.Header().Get("Retry-After") != "3" || len(b.records) != 201 {
		t.Errorf("%v, %d records", w.Header(), len(b.records))
	}
	*nodes = nil // nothing is known of a fleet
	if ids := hosts(t, b.post("")); !slices.Contains(ids, "turn") {
		t.Errorf("sent to %v", ids)
	}
}

// Three in four go first to the node that has three times as much to spare.
func TestLessLoadedAreChosenMoreOften(t *testing.T) {
	nodes := []ratelimit.Node{nodeOf("idle", 0.25), nodeOf("busy", 0.75), nodeOf("full", 1)}
	first := map[string]int{}
	const asked = 20_000
	for range asked {
		first[choose(nodes, "t", "")[0].ID]++
	}
	for id, spare := range map[string]float64{"idle": 0.75, "busy": 0.25, "full": leastSpare} {
		want := asked * spare / (0.75 + 0.25 + leastSpare)
		if got := float64(first[id]); math.Abs(got-want) > 6*math.Sqrt(want) {
			t.Errorf("%s: %v of %d, want about %.0f", id, got, asked, want)
		}
	}
}

// Both ends of a call are sent to one node, whichever server and route they ask,
// and whatever the load is by then.
func TestRoomsMeet(t *testing.T) {
	one, _ := fleetBed(t, nodeOf("a", 0.1), nodeOf("b", 0.9), nodeOf("c", 0.5))
	two, _ := fleetBed(t, nodeOf("c", 0.2), nodeOf("b", 0.3), nodeOf("a", 1))
	used := map[string]int{}
	for i := range 60 {
		room := fmt.Sprint("room ", i)
		ids := hosts(t, one.post(`{"user":"alice","room":"`+room+`"}`))
		if len(ids) != 1 {
			t.Fatalf("%s is at %v", room, ids)
		}
		used[ids[0]]++
		asJSON := httptest.NewRequest(http.MethodGet, "/turn/credentials?username=bob&room="+strings.ReplaceAll(room, " ", "+"), nil)
		asJSON.Header.Set("Authorization", "Bearer "+two.plain)
		if other := hosts(t, two.do(asJSON)); !slices.Equal(ids, other) {
			t.Errorf("%s is at %v and at %v", room, ids, other)
		}
		if over := hosts(t, two.post(`{"room":"`+room+`","transports":["tls"]}`)); !slices.Equal(ids, over) {
			t.Errorf("%s is at %v, over TLS at %v", room, ids, over)
		}
	}
	if len(used) != 3 || used["a"] < 8 || used["b"] < 8 || used["c"] < 8 {
		t.Errorf("rooms by node: %v", used)
	}
}

// A node that goes moves its own rooms alone, and one that comes takes its share.
func TestRoomsStay(t *testing.T) {
	const rooms = 3000
	at := func(room int, ids ...string) string {
		var nodes []ratelimit.Node
		for _, id := range ids {
			nodes = append(nodes, nodeOf(id, 0))
		}
		return choose(nodes, "acme", fmt.Sprint(room))[0].ID
	}
	taken := 0
	for room := range rooms {
		before := at(room, "a", "b", "c")
		if after := at(room, "c", "a"); before != "b" && after != before {
			t.Fatalf("room %d went from %s to %s when b left", room, before, after)
		}
		switch after := at(room, "d", "a", "b", "c"); after {
		case before:
		case "d":
			taken++
		default:
			t.Fatalf("room %d went from %s to %s when d came", room, before, after)
		}
	}
	if taken < rooms/4-150 || taken > rooms/4+150 {
		t.Errorf("the fourth node took %d rooms of %d", taken, rooms)
	}
	same := 0
	for room := range rooms {
		nodes := []ratelimit.Node{nodeOf("a", 0), nodeOf("b", 0), nodeOf("c", 0)}
		if choose(nodes, "acme", fmt.Sprint(room))[0].ID == choose(nodes, "other", fmt.Sprint(room))[0].ID {
			same++
		}
	}
	if same > rooms/3+150 {
		t.Errorf("%d rooms of %d are where another tenant's of the same name are", same, rooms)
	}
}

// However many addresses nodes have, eight are told, of both nodes and over each
// transport; STUN is where a node takes UDP.
func TestAddressesAreFew(t *testing.T) {
	wide := func(id string) ratelimit.Node {
		n := ratelimit.Node{ID: id}
		for _, form := range []string{"turn:%s.%d.example.org:3478?transport=udp", "turn:%s.%d.example.org:3478?transport=tcp", "turns:%s.%d.example.org:443?transport=tcp"} {
			for i := range 3 {
				n.URIs = append(n.URIs, fmt.Sprintf(form, id, i))
			}
		}
		return n
	}
	to := addressesOf([]ratelimit.Node{wide("a"), wide("b")})
	want := func(id string) []string {
		uris := wide(id).URIs
		return []string{uris[0], uris[1], uris[3], uris[6]}
	}
	if !slices.Equal(to.turn, append(want("a"), want("b")...)) {
		t.Errorf("%q", to.turn)
	}
	if !slices.Equal(to.stun, []string{"stun:a.0.example.org:3478", "stun:a.1.example.org:3478", "stun:b.0.example.org:3478", "stun:b.1.example.org:3478"}) {
		t.Errorf("%q", to.stun)
	}
	if err := checkURIs(to.turn, to.stun); err != nil {
		t.Error(err)
	}
	b, _ := fleetBed(t, wide("a"), ratelimit.Node{ID: "tcp", URIs: []string{"turn:tcp.example.org:3478?transport=tcp"}})
	if ids := hosts(t, b.post(`{"transports":["udp"]}`)); !slices.Equal(ids, []string{"a"}) {
		t.Errorf("over UDP to %v", ids)
	}
	b, _ = fleetBed(t, ratelimit.Node{ID: "tcp", URIs: []string{"turn:tcp.example.org:3478?transport=tcp"}})
	wantProblem(t, b.post(`{"transports":["tls"]}`), InvalidTransports, "transports")
}

func TestRoomIsAText(t *testing.T) {
	b, _ := fleetBed(t, nodeOf("a", 0))
	for _, body := range []string{`{"room":7}`, `{"room":""}`, `{"room":"` + strings.Repeat("x", 129) + `"}`, `{"room":"a\nb"}`, `{"room":null}`} {
		wantProblem(t, b.post(body), InvalidRoom, "room")
	}
	wantProblem(t, b.ask(http.MethodGet, "/turn/credentials?room=a%00b", ""), InvalidRoom, "room")
	wantProblem(t, b.ask(http.MethodGet, "/v1/ice-servers?room=a%00b", ""), InvalidRoom, "room")
	wantProblem(t, b.ask(http.MethodGet, "/turn/credentials?room=a&room=b", ""), DuplicateField, "room")
}

// A user who was given too many is told when to ask again, and gets nothing; whose
// credentials can't be counted is told that; a request that would be refused
// anyhow, or has nothing made, is not counted.
func TestMintIsCounted(t *testing.T) {
	var asked []ratelimit.Subject
	says := Minted{Limit: ratelimit.PerMinute{Events: 6, Burst: 3}}
	b := newBed(t, func(o *Options) {
		o.Keys[0].Rate = ratelimit.Rate{PerSecond: 100, Burst: 600}
		o.Mint = func(_ context.Context, who ratelimit.Subject, role *auth.Role) Minted {
			if role == nil || role.Name != "guest" {
				t.Errorf("role %v", role)
			}
			asked = append(asked, who)
			return says
		}
	})
	const body = `{"user":"alice","role":"guest"}`
	if w := b.post(body); w.Code != http.StatusOK || w.Header().Get("Retry-After") != "" {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	if len(asked) != 1 || asked[0].User != "alice" || asked[0].Tenant != "acme" {
		t.Errorf("asked about %v", asked)
	}
	b.post(`{"user":"alice","role":"guest","ttl":0}`)
	b.post(`{"user":"a\u0007","role":"guest"}`)
	b.ask(http.MethodHead, "/v1/ice-servers?user=alice&role=guest", "")
	if len(asked) != 1 {
		t.Errorf("%d counted", len(asked))
	}
	says.Refusal, says.Retry = ratelimit.RateReached, 9*time.Second+time.Millisecond
	w := b.post(body)
	wantProblem(t, w, TooManyRequests, "")
	if h := w.Header(); h.Get("Retry-After") != "10" ||
		!slices.Equal(h.Values("RateLimit-Policy"), []string{`"key";q=600;w=6`, `"user";q=3;w=30`}) || h.Values("RateLimit")[1] != `"user";r=0;t=10` {
		t.Errorf("%v", w.Header())
	}
	says.Refusal, says.Retry = ratelimit.StoreAway, time.Second
	w = b.post(body)
	wantProblem(t, w, Unavailable, "")
	if w.Header().Get("Retry-After") != "1" || len(b.records) != 1 || b.Counters().Issued() != 1 {
		t.Errorf("%v, %d records", w.Header(), len(b.records))
	}
}
