package acme

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	client "golang.org/x/crypto/acme"
)

// authority is a certificate authority in fake time.
type authority struct {
	t     *testing.T
	lives time.Duration // of what it certifies
	begun time.Time

	mu     sync.Mutex
	down   error    // nothing is certified
	full   error    // what is certified can't be kept
	orders []string // host and when
}

func (a *authority) obtain(_ context.Context, name string) (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.orders = append(a.orders, fmt.Sprintf("%s %v", name, time.Since(a.begun)))
	if a.down != nil {
		return nil, a.down
	}
	return certificate(a.t, name, time.Now(), time.Now().Add(a.lives)), a.full
}

func (a *authority) set(down, full error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.down, a.full = down, full
}

// since are the orders since the last call.
func (a *authority) since() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	defer func() { a.orders = nil }()
	return a.orders
}

// runFake runs a Manager for hosts in fake time, while during; told gathers what
// it tells.
func runFake(t *testing.T, hosts []string, during func(m *Manager, a *authority, told func() []string)) {
	folder := t.TempDir() + "/acme"
	synctest.Test(t, func(t *testing.T) {
		a := &authority{t: t, lives: 90 * 24 * time.Hour, begun: time.Now()}
		m := newManager(t, folder, hosts...)
		m.obtain = a.obtain
		var mu sync.Mutex
		var lines []string
		ctx, cancel := context.WithCancel(t.Context())
		defer synctest.Wait()
		defer cancel()
		go m.Run(ctx, func(host string, c *tls.Certificate, err error) {
			mu.Lock()
			defer mu.Unlock()
			lines = append(lines, fmt.Sprint(host, " ", err))
		})
		synctest.Wait()
		during(m, a, func() []string {
			mu.Lock()
			defer mu.Unlock()
			defer func() { lines = nil }()
			return lines
		})
	})
}

func expect(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

const day = 24 * time.Hour

func passes(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// Each host is asked for once, and again when a third of the lifetime is left;
// the key is another then.
func TestRenewal(t *testing.T) {
	runFake(t, []string{"a.example", "b.example"}, func(m *Manager, a *authority, told func() []string) {
		expect(t, "at the start", a.since(), "a.example 0s", "b.example 0s")
		expect(t, "told", told(), "a.example <nil>", "b.example <nil>")
		first := m.hosts[0].current.Load()
		passes(60*day - time.Second)
		expect(t, "before it is due", a.since())
		passes(2 * time.Second)
		expect(t, "when it is due", a.since(), "a.example 1440h0m0s", "b.example 1440h0m0s")
		if second := m.hosts[0].current.Load(); same(first, second) {
			t.Error("the certificate before is still served")
		}
		m.Again()
		passes(time.Hour)
		expect(t, "asked again with nothing due", a.since())
		if m.Issued() != 4 || m.Failed() != 0 {
			t.Errorf("%d issued, %d failed", m.Issued(), m.Failed())
		}
	})
}

// While the authority is down the certificate before is served; it is asked
// less and less often, and its error told once. At most five orders fail in the
// first hour, as many as Let's Encrypt lets.
func TestAuthorityDown(t *testing.T) {
	runFake(t, []string{"a.example"}, func(m *Manager, a *authority, told func() []string) {
		a.since()
		told()
		first := m.hosts[0].current.Load()
		a.set(errors.New("down"), nil)
		passes(60*day + time.Hour - time.Second)
		expect(t, "orders", a.since(), "a.example 1440h0m0s", "a.example 1440h14m0s", "a.example 1440h2m0s", "a.example 1440h30m0s", "a.example 1440h6m0s")
		expect(t, "told", told(), "a.example down")
		if !same(m.hosts[0].current.Load(), first) || m.States()[0].Fault != "down" || m.Failed() != 5 {
			t.Errorf("%+v, %d failed", m.States(), m.Failed())
		}
		passes(5 * time.Hour)
		if n := len(a.since()); n != 5 {
			t.Errorf("%d orders in 5 hours", n)
		}
		a.set(errors.New("still down"), nil)
		m.Again()
		synctest.Wait()
		if n := len(a.since()); n != 1 {
			t.Errorf("%d orders at once, when asked to", n)
		}
		expect(t, "told", told(), "a.example still down")
		a.set(nil, nil)
		passes(time.Hour)
		if n := len(a.since()); n != 1 || m.States()[0].Fault != "" || same(m.hosts[0].current.Load(), first) {
			t.Errorf("%d orders since it is up; %+v", n, m.States())
		}
		expect(t, "told", told(), "a.example <nil>")
	})
}

// An authority that says when to come again is not asked before.
func TestRateLimited(t *testing.T) {
	limited := &client.Error{StatusCode: http.StatusTooManyRequests, ProblemType: "urn:ietf:params:acme:error:rateLimited",
		Header: http.Header{"Retry-After": {"7200"}}}
	for _, tt := range []struct {
		failures int
		err      error
		want     time.Duration
	}{
		{1, errors.New("x"), 2 * time.Minute},
		{4, errors.New("x"), 16 * time.Minute},
		{1000, errors.New("x"), time.Hour},
		{1, fmt.Errorf("account: %w", limited), 2 * time.Hour},
		{1, &client.Error{ProblemType: "urn:ietf:params:acme:error:malformed", Header: limited.Header}, 2 * time.Minute},
	} {
		if got := pause(tt.failures, tt.err); got != tt.want {
			t.Errorf("after %d failures, %v: %v, want %v", tt.failures, tt.err, got, tt.want)
		}
	}
}

// A certificate that can't be kept is served all the same, and told of.
func TestNotKept(t *testing.T) {
	runFake(t, []string{"a.example"}, func(m *Manager, a *authority, told func() []string) {
		told()
		a.set(nil, errors.New("disk full"))
		first := m.hosts[0].current.Load()
		passes(60*day + time.Second)
		expect(t, "told", told(), "a.example <nil>", "a.example disk full")
		if same(first, m.hosts[0].current.Load()) || m.States()[0].Fault != "disk full" {
			t.Errorf("%+v", m.States())
		}
	})
}

// Run ends with its context also while an authority does not answer, and
// nothing of it is left.
func TestEndsDuringAnOrder(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	m, err := New(Options{Hosts: []string{"a.example"}, Directory: "https://" + l.Addr().String() + "/dir", Folder: t.TempDir() + "/acme"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		m.Run(ctx, func(host string, _ *tls.Certificate, err error) { t.Errorf("told of %s: %v", host, err) })
	}()
	authority, err := l.Accept() // and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer authority.Close()
	cancel()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Fatal("it waits for the authority")
	}
	if m.Failed() != 0 || m.States()[0].Fault != "" {
		t.Errorf("%+v: the end is taken for a failure", m.States())
	}
}

// What differs from one order to the next is not told.
func TestLasting(t *testing.T) {
	problem := &client.Error{StatusCode: 403, ProblemType: "urn:ietf:params:acme:error:caa", Detail: "CAA record forbids it"}
	for _, n := range []string{"1", "2"} {
		err := lasting(&client.OrderError{OrderURL: "https://ca.example/order/" + n, Status: "invalid", Problem: problem})
		if err.Error() != problem.Error() {
			t.Errorf("%v, want %v", err, problem)
		}
	}
	if err := errors.New("x"); lasting(err) != err {
		t.Error("another error is changed")
	}
}
