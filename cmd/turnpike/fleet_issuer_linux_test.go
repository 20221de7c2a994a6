package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"turnpike/pkg/accounting"
	"turnpike/pkg/issuer"
	"turnpike/ratelimit/redistest"
)

// fleetDoor is the issuer of a node.
type fleetDoor struct {
	*node
	key    string
	client http.Client
}

// startDoors runs nodes with an issuer each, which take one key.
func startDoors(t *testing.T, n int, c nodeConfig) (doors []*fleetDoor) {
	t.Helper()
	key, hashed, err := issuer.NewAPIKey(rand.Reader, "app")
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		socket := filepath.Join(t.TempDir(), "issuer.sock")
		c.n, c.credentials = i, "issuer_keys: [{id: k, secret: key-of-the-issuer-"+fleetSecret+"}]"
		c.more = fmt.Sprintf("issuer: {listen: [\"unix:%s\"], api_keys: [{id: app, tenant: acme, may_read_usage: true, hash: \"sha256:%x\"}]}\n", socket, hashed.Hash)
		d := &fleetDoor{node: c.start(t), key: key}
		d.client.Transport = &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}}
		d.client.Timeout = patience
		doors = append(doors, d)
	}
	return doors
}

// ask has the issuer answer, and reads the answer into one of its sort.
func (d *fleetDoor) ask(t *testing.T, method, path, body string, into any) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://issuer"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+d.key)
	r.Header.Set("Content-Type", "application/json")
	answer, err := d.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if into != nil && answer.StatusCode == http.StatusOK {
		if err := json.Unmarshal(text, into); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
	}
	return answer, string(text)
}

// sentTo are the nodes that an answer names, in its order.
func (d *fleetDoor) sentTo(t *testing.T, body string, doors []*fleetDoor) (to []int) {
	t.Helper()
	var a struct {
		URIs []string `json:"uris"`
	}
	if answer, text := d.ask(t, http.MethodPost, "/v1/credentials", body, &a); answer.StatusCode != http.StatusOK {
		t.Fatalf("%s %s", answer.Status, text)
	}
	for _, uri := range a.URIs {
		i := slices.IndexFunc(doors, func(d *fleetDoor) bool { return strings.Contains(uri, d.at.Addr().String()+":") })
		if !slices.Contains(to, i) {
			to = append(to, i)
		}
	}
	return to
}

// comesAbout waits for what other processes find out.
func comesAbout(t *testing.T, what string, most time.Duration, is func() bool) (took time.Duration) {
	t.Helper()
	start := time.Now()
	for !is() {
		if took = time.Since(start); took > most {
			t.Fatalf("not within %v: %s", most, what)
		}
		time.Sleep(50 * time.Millisecond)
	}
	return time.Since(start)
}

// Whichever server is asked, both ends of a call are sent to one node, and nobody to
// one that drains or was killed.
func TestFleetSteers(t *testing.T) {
	if !inPublic(t, fleetNet) {
		return
	}
	redis := redistest.Start(t)
	doors := startDoors(t, 3, nodeConfig{redis: single(redis.Addr), prefix: "t:", role: "allocations: 20", drain: time.Minute})
	known := func(n int) func() bool {
		return func() bool {
			return !slices.ContainsFunc(doors, func(d *fleetDoor) bool { return d.Metrics(t)["turnpike_nodes"] != float64(n) })
		}
	}
	comesAbout(t, "all know all", patience, known(3))
	comesAbout(t, "nobody is starting any more", patience, func() bool {
		seen := map[int]bool{}
		for range 20 {
			for _, i := range doors[0].sentTo(t, "", doors) {
				seen[i] = true
			}
		}
		return len(seen) == 3
	})
	rooms := map[int][]string{}
	for i := range 30 {
		room := fmt.Sprintf(`{"room":"%d"}`, i)
		at := doors[0].sentTo(t, room, doors)
		if others := [][]int{doors[1].sentTo(t, room, doors), doors[2].sentTo(t, room, doors)}; len(at) != 1 || !slices.Equal(at, others[0]) || !slices.Equal(at, others[1]) {
			t.Errorf("%s is at %v, and at %v", room, at, others)
		}
		rooms[at[0]] = append(rooms[at[0]], room)
	}
	if to := doors[0].sentTo(t, "", doors); len(to) != 2 {
		t.Errorf("sent to %v", to)
	}
	// The second drains: it has a session that goes on.
	startCall(t, fleetClient(t, 0, doors[1].node, "alice"), echo(t))
	badConfigCheck(t, doors[1].cmd.Process.Signal(syscall.SIGTERM))
	avoided := func(by *fleetDoor, node int) func() bool {
		return func() bool {
			for range 20 {
				if slices.Contains(by.sentTo(t, "", doors), node) {
					return false
				}
			}
			return !slices.Contains(by.sentTo(t, rooms[node][0], doors), node)
		}
	}
	itself := comesAbout(t, "a node that drains sends nobody to itself", patience, avoided(doors[1], 1))
	others := comesAbout(t, "nor do others", 6*time.Second, avoided(doors[0], 1))
	for _, room := range rooms[0] {
		if at := doors[0].sentTo(t, room, doors); !slices.Equal(at, []int{0}) {
			t.Errorf("%s went from 0 to %v", room, at)
		}
	}
	doors[2].kill(t)
	killed := comesAbout(t, "nobody is sent to a node that was killed", 15*time.Second, avoided(doors[0], 2))
	t.Logf("a node that drains is avoided by itself after %v and by others after %v, one that was killed after %v", itself, others, killed)
	doors[1].kill(t)
}

// What a user is given in a minute counts wherever it is asked for, and what was
// used is told wherever it is asked for.
func TestFleetMintsAndUsage(t *testing.T) {
	if !inPublic(t, fleetNet) {
		return
	}
	redis := redistest.Start(t)
	redis.Do("SET", "t:{epoch}", "old 1") // not found empty just now: a strict limit believes it at once
	doors := startDoors(t, 2, nodeConfig{redis: single(redis.Addr) + ", timeout: 5s", prefix: "t:", limits: "rules: [{id: mint, strict: true}]",
		role: "allocations: 20, credentials_per_minute: 1, credentials_burst: 6"})
	given := 0
	for i := range 12 {
		answer, text := doors[i%2].ask(t, http.MethodPost, "/v1/credentials", `{"user":"alice"}`, nil)
		switch {
		case answer.StatusCode == http.StatusOK:
			given++
		case answer.StatusCode != http.StatusTooManyRequests || answer.Header.Get("Retry-After") == "" || !slices.Contains(answer.Header.Values("RateLimit-Policy"), `"user";q=6;w=360`):
			t.Errorf("%s %v %s", answer.Status, answer.Header, text)
		}
	}
	if given != 6 {
		t.Errorf("%d credentials, want 6", given)
	}
	var c struct{ Username, Password string }
	if answer, text := doors[0].ask(t, http.MethodPost, "/v1/credentials", `{"user":"bob"}`, &c); answer.StatusCode != http.StatusOK {
		t.Fatalf("another user: %s %s", answer.Status, text)
	}
	client := fleetClient(t, 0, doors[0].node, "")
	client.User.Name, client.User.Password = c.Username, c.Password
	x := startCall(t, client, echo(t))
	comesAbout(t, "something is carried", patience, func() bool { return x.sent.Load() > 100 })
	x.end(t)
	var used used
	month := time.Now().UTC().Format("2006-01")
	comesAbout(t, "the other server tells of it", patience, func() bool {
		doors[1].ask(t, http.MethodGet, "/v1/usage?user=bob", "", &used)
		return used.Bytes == x.bytes
	})
	if used.Tenant != "acme" || used.User != "bob" || used.Month != month {
		t.Errorf("%+v", used)
	}
	comesAbout(t, "it counts for the tenant too", patience, func() bool {
		doors[1].ask(t, http.MethodGet, "/v1/usage?month="+month, "", &used)
		return used.Bytes == x.bytes
	})
	out, err := exec.Command(turnpike(t), "usage", "--at", doors[1].operator, "--tenant", "acme", "--user", "bob", "--json").Output()
	if want := fmt.Sprintf(`{"tenant":"acme","user":"bob","month":"%s","bytes":%d}`, month, x.bytes); err != nil || strings.TrimSpace(string(out)) != want {
		t.Errorf("turnpike usage: %s (%v), want %s", out, err, want)
	}
	out, err = exec.Command(turnpike(t), "usage", "--at", doors[0].operator, "--tenant", "acme").Output()
	if err != nil || !bytes.Contains(out, []byte("(all)")) || !bytes.Contains(out, fmt.Append(nil, x.bytes)) {
		t.Errorf("turnpike usage: %s (%v)", out, err)
	}
	if out, err := exec.Command(turnpike(t), "usage", "--at", doors[0].operator, "--month", "11/2026").CombinedOutput(); err == nil || !bytes.Contains(out, []byte("write it as 2026-11")) {
		t.Errorf("a month that is none: %s (%v)", out, err)
	}
}

// Every session is in the accounting file and in the stream once, in the order in
// which they ended, over a restart of Redis and to the end of the server.
func TestFleetAccounts(t *testing.T) {
	if !inPublic(t, fleetNet) {
		return
	}
	redis := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	file := filepath.Join(t.TempDir(), "accounting.jsonl")
	n := nodeConfig{redis: single(redis.Addr), prefix: "t:", role: "allocations: 20",
		more: fmt.Sprintf("accounting: {file: %q, stream: true}\n", file)}.start(t)
	const sessions = 30
	for i := range sessions {
		switch i {
		case 10:
			redis.Kill()
		case 20:
			redis.Restart()
		}
		c := fleetClient(t, i, n, fmt.Sprint("user", i))
		hold(t, c)
		if r, err := c.Refresh(0); err != nil || !r.OK() {
			t.Fatalf("Refresh 0: %v %v", r.Code, err)
		}
	}
	hold(t, fleetClient(t, sessions, n, "last"))
	comesAbout(t, "what had to wait is appended", patience, func() bool { return len(accountingStream(t, redis)) == sessions })
	n.Stop(t)
	stream := accountingStream(t, redis)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if !slices.Equal(lines, stream) {
		t.Errorf("the file has %d records, the stream %d:\n%s\n\n%s", len(lines), len(stream), strings.Join(lines, "\n"), strings.Join(stream, "\n"))
	}
	keys := map[string]bool{}
	for i, line := range stream {
		var r accounting.Session
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		want, reason := fmt.Sprint("user", i), "client"
		if i == sessions {
			want, reason = "last", "shutdown"
		}
		if keys[r.Key] || r.User != want || r.Reason != reason || r.Node != "n0" || r.Key != "n0/"+r.Session {
			t.Errorf("record %d: %+v", i, r)
		}
		keys[r.Key] = true
	}
	if len(keys) != sessions+1 {
		t.Errorf("%d records, want %d", len(keys), sessions+1)
	}
}

func accountingStream(t *testing.T, redis *redistest.Server) (payloads []string) {
	t.Helper()
	entries, _ := redis.Do("XRANGE", "t:{accounting}", "-", "+").([]any)
	for _, e := range entries {
		fields := e.([]any)[1].([]any)
		if len(fields) != 2 || fields[0] != "p" {
			t.Fatalf("entry %v", e)
		}
		payloads = append(payloads, fields[1].(string))
	}
	return payloads
}
