package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"turnpike/relay/relaytest"
)

// rotationTTL is the life of the credentials that callers get: as long as the old
// key has to stay, and long beside a call.
const rotationTTL = 6 * time.Second

// callers ask the issuer for a credential and make a call with it, and one with
// the credential of the call before, again and again.
type callers struct {
	s       *server
	calls   [2]atomic.Uint64 // under the old and the new key
	overlap atomic.Uint64    // under the old key while new credentials came under the new
	rotated atomic.Bool
}

func (c *callers) run(ctx context.Context, user string) error {
	var before credential
	for ctx.Err() == nil {
		got, err := c.ask(user)
		if err != nil {
			return err
		}
		for _, cr := range []credential{before, got} {
			if time.Until(cr.ExpiresAt) < rotationTTL/3 { // none before the first, or of a slow machine
				continue
			}
			if err := c.call(cr); err != nil {
				return fmt.Errorf("%s: %w", cr.Username, err)
			}
		}
		before = got
	}
	return nil
}

// ask is Credential for any goroutine.
func (c *callers) ask(user string) (got credential, err error) {
	body := fmt.Sprintf(`{"user":%q,"ttl":%d}`, user, int(rotationTTL.Seconds()))
	r, err := http.NewRequest(http.MethodPost, c.s.Issuer+"/v1/credentials", bytes.NewReader([]byte(body)))
	if err != nil {
		return got, err
	}
	r.Header.Set("Authorization", "Bearer "+c.s.APIKey)
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return got, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil || resp.StatusCode != http.StatusOK {
		return got, fmt.Errorf("the issuer: %s, %v", resp.Status, err)
	}
	return got, nil
}

// call makes an allocation, refreshes it, and ends it.
func (c *callers) call(cr credential) error {
	rotated := c.rotated.Load() // before the call
	conn, err := scriptDial("udp", publicTURN)
	if err != nil {
		return err
	}
	defer conn.Close()
	client := relaytest.NewClient(conn, publicTURN, relaytest.User{Name: cr.Username, Password: cr.Password})
	client.Timeout = patience
	for what, do := range []func() (relaytest.Response, error){
		func() (relaytest.Response, error) { return client.Allocate() },
		func() (relaytest.Response, error) { return client.Refresh(600 * time.Second) },
		func() (relaytest.Response, error) { return client.Refresh(0) },
	} {
		if r, err := do(); err != nil || !r.OK() {
			return fmt.Errorf("step %d: %v, %v", what, r, err)
		}
	}
	if strings.Contains(cr.Username, ":~k2.") {
		c.calls[1].Add(1)
	} else {
		c.calls[0].Add(1)
		if rotated {
			c.overlap.Add(1)
		}
	}
	return nil
}

// An issuer key is changed while callers come without a pause: none of them
// fails, those with a credential of the old key neither. Once the old key is gone
// its credentials begin nothing any more, and what they began goes on.
func TestRotationUnderLoad(t *testing.T) {
	if !inPublic(t) {
		return
	}
	const limits = "limits: {challenges_per_second: 10000, challenges_burst: 10000, network_challenges_per_second: 10000, network_challenges_burst: 10000}\n"
	s, secret := startPublic(t, limits)
	long := s.Credential(t, "alice", time.Hour) // outlives its key
	alice := relaytest.User{Name: long.Username, Password: long.Password}
	session := func() *relaytest.Client {
		conn, err := scriptDial("tcp", publicTURN)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return relaytest.NewClient(conn, publicTURN, alice)
	}
	live := session()
	if r, err := live.Allocate(); err != nil || !r.OK() {
		t.Fatalf("Allocate: %v %v", r, err)
	}

	c := &callers{s: s}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var running sync.WaitGroup
	for i := range 4 {
		running.Go(func() {
			if err := c.run(ctx, fmt.Sprintf("caller-%d", i)); err != nil {
				t.Error(err)
				cancel()
			}
		})
	}
	c.waitCalls(t, ctx, 0, 50)
	edit(t, s, "  issuer_keys: [{id: k, secret: key-of", "  issue_with: k\n  issuer_keys: [{id: k2, secret: next-"+secret+"}, {id: k, secret: key-of")
	reload(t, s)
	c.waitCalls(t, ctx, 0, c.calls[0].Load()+50)
	left, err := c.ask("left")
	if err != nil {
		t.Fatal(err)
	}
	edit(t, s, "issue_with: k\n", "issue_with: k2\n")
	reload(t, s)
	c.rotated.Store(true)
	if err := c.call(left); err != nil {
		t.Error(err)
	}
	time.Sleep(rotationTTL + time.Second) // what the procedure has one wait for
	edit(t, s, ", {id: k, secret: key-of-the-issuer-"+secret+"}", "")
	reload(t, s)
	c.waitCalls(t, ctx, 1, c.calls[1].Load()+50)
	cancel()
	running.Wait()
	t.Logf("calls: %d under the old key, %d of them while credentials came under the new, %d under the new", c.calls[0].Load(), c.overlap.Load(), c.calls[1].Load())
	if r, err := session().Allocate(); err != nil || r.Code != 401 {
		t.Errorf("a credential of the key that is gone: %v %v", r, err)
	}
	if r, err := live.Refresh(600 * time.Second); err != nil || !r.OK() {
		t.Errorf("the session that it began: %v %v", r, err)
	}
}

// waitCalls waits for so many calls under a key.
func (c *callers) waitCalls(t *testing.T, ctx context.Context, key int, least uint64) {
	t.Helper()
	late := time.After(patience)
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for c.calls[key].Load() < least {
		select {
		case <-again.C:
		case <-ctx.Done():
			t.Fatal("a call failed")
		case <-late:
			t.Fatalf("%d calls under key %d after %v, want %d", c.calls[key].Load(), key, patience, least)
		}
	}
}
