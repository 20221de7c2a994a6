package load

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/stun/v3"
)

const (
	realm    = "example.org"
	password = "secret"
)

// fakeServer answers on one connection: what it gets is told to on, which
// returns the answer's attributes; nil, and no error, is silence.
type fakeServer struct {
	on func(m *stun.Message) (stun.MessageType, []stun.Setter)
}

func (s *fakeServer) run(conn net.Conn) {
	buf := make([]byte, 1<<16)
	for {
		if _, err := io.ReadFull(conn, buf[:20]); err != nil {
			return
		}
		n := int(buf[2])<<8 | int(buf[3])
		if _, err := io.ReadFull(conn, buf[20:20+n]); err != nil {
			return
		}
		m := &stun.Message{Raw: append([]byte(nil), buf[:20+n]...)}
		if m.Decode() != nil {
			return
		}
		kind, attrs := s.on(m)
		if attrs == nil {
			continue
		}
		r, err := stun.Build(append([]stun.Setter{stun.NewTransactionIDSetter(m.TransactionID), kind}, attrs...)...)
		if err != nil {
			panic(err)
		}
		if _, err := conn.Write(r.Raw); err != nil {
			return
		}
	}
}

func success(m stun.Method, attrs ...stun.Setter) (stun.MessageType, []stun.Setter) {
	return stun.NewType(m, stun.ClassSuccessResponse), append(attrs, stun.NewLongTermIntegrity("u", realm, password))
}

func refuse(m stun.Method, code stun.ErrorCode, attrs ...stun.Setter) (stun.MessageType, []stun.Setter) {
	return stun.NewType(m, stun.ClassErrorResponse), append(attrs, stun.ErrorCodeAttribute{Code: code, Reason: []byte("No\x1b")})
}

func challengeOf(m stun.Method, code stun.ErrorCode, nonce string) (stun.MessageType, []stun.Setter) {
	return refuse(m, code, stun.NewRealm(realm), stun.NewNonce(nonce))
}

// onPipes gives all clients of a bench connections to a server, in memory, and
// ends them with the test.
func onPipes(t *testing.T, o Options, s *fakeServer) *bench {
	t.Helper()
	o.Server.Transport = TCP
	o.Credentials.Password = password
	b, err := newBench(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range b.clients {
		ours, its := net.Pipe()
		go s.run(its)
		c.line.stream = newStream(ours)
		b.onClose(c.line.stream.close)
		b.receivers.Add(1)
		go b.runStream(c.line.stream, c.line, b.near.arrive)
	}
	t.Cleanup(b.close)
	return b
}

func TestHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []string
		s := &fakeServer{on: func(m *stun.Message) (stun.MessageType, []stun.Setter) {
			nonce, _ := m.Get(stun.AttrNonce)
			asked = append(asked, m.Type.Method.String()+" "+string(nonce))
			switch {
			case len(nonce) == 0:
				return challengeOf(m.Type.Method, 401, "first")
			case string(nonce) == "first" && len(asked) > 2:
				return challengeOf(m.Type.Method, 438, "second")
			case stun.NewLongTermIntegrity("u", realm, password).Check(m) != nil:
				return refuse(m.Type.Method, 441)
			}
			return success(m.Type.Method, xorRelayed(addr4), lifetime(600))
		}}
		o := good()
		o.Clients = 1
		b := onPipes(t, o, s)
		c := b.clients[0]
		if err := errors.Join(c.allocate(netip.IPv4Unspecified()), c.permit(peerAt), c.refresh(0)); err != nil {
			t.Fatal(err)
		}
		want := "Allocate ,Allocate first,CreatePermission first,CreatePermission second,ChannelBind second,Refresh second"
		if got := strings.Join(asked, ","); got != want || c.relayed != addr4 || c.lifetime != 600*time.Second {
			t.Errorf("%s; relay %s for %v", got, c.relayed, c.lifetime)
		}
	})
}

func TestHandshakeFails(t *testing.T) {
	for want, on := range map[string]func(m *stun.Message) (stun.MessageType, []stun.Setter){
		"401 No? to Allocate": func(m *stun.Message) (stun.MessageType, []stun.Setter) { return challengeOf(m.Type.Method, 401, "n") },
		"438 No? to Allocate": func(m *stun.Message) (stun.MessageType, []stun.Setter) { return challengeOf(m.Type.Method, 438, "n") },
		"486 No? to Allocate": func(m *stun.Message) (stun.MessageType, []stun.Setter) { return refuse(m.Type.Method, 486) },
		"Allocate: no answer": func(m *stun.Message) (stun.MessageType, []stun.Setter) { return stun.MessageType{}, nil },
		"the MESSAGE-INTEGRITY of the answer is missing or wrong": func(m *stun.Message) (stun.MessageType, []stun.Setter) {
			if m.Contains(stun.AttrNonce) {
				return stun.NewType(m.Type.Method, stun.ClassSuccessResponse), []stun.Setter{xorRelayed(addr4)}
			}
			return challengeOf(m.Type.Method, 401, "n")
		},
		"tells no relayed address": func(m *stun.Message) (stun.MessageType, []stun.Setter) {
			if m.Contains(stun.AttrNonce) {
				return success(m.Type.Method)
			}
			return challengeOf(m.Type.Method, 401, "n")
		},
		"the answer is malformed": func(m *stun.Message) (stun.MessageType, []stun.Setter) {
			return success(stun.MethodRefresh)
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			o := good()
			o.Clients = 1
			b := onPipes(t, o, &fakeServer{on: on})
			begin := time.Now()
			if err := b.clients[0].allocate(netip.IPv4Unspecified()); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %q", err, want)
			}
			if took := time.Since(begin); took > 0 && took != streamWait {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// A connection that ends is noticed at once, and told.
func TestConnectionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := good()
		o.Clients = 1
		var b *bench
		b = onPipes(t, o, &fakeServer{on: func(m *stun.Message) (stun.MessageType, []stun.Setter) {
			b.clients[0].line.stream.conn.Close()
			return stun.MessageType{}, nil
		}})
		begin := time.Now()
		err := b.clients[0].allocate(netip.IPv4Unspecified())
		if !errors.Is(err, errBroken) || kind(err) != "closed" || time.Since(begin) > 0 {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		synctest.Wait()
		if n, first := b.broken.told(); n != 1 || first == nil {
			t.Errorf("%d: %v", n, first)
		}
	})
}

func TestCrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := good()
		o.Clients, o.Handshakes = 9, 4
		n := 0
		b := onPipes(t, o, &fakeServer{})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		errs := map[uint32]error{2: &refusal{code: 486}, 5: errSilence, 7: errConnect, 8: errors.New("?")}
		out := b.each(ctx, b.clients, false, func(c *client) error { return errs[c.index] })
		if out.ok != 5 || out.failed["486"] != 1 || out.failed["timeout"] != 1 || out.failed["connect"] != 1 || out.failed["protocol"] != 1 || out.first == nil {
			t.Errorf("%+v", out)
		}
		out = b.each(ctx, b.clients, true, func(c *client) error { n++; return errSilence })
		if n > 4 || out.ok != 0 {
			t.Errorf("the first failure of a strict one ends it; it went on with %d", n)
		}
		o.Handshakes, n = 1, 0
		b.o = o
		if out = b.each(ctx, b.clients, false, func(c *client) error { n++; return errSilence }); n != 1 {
			t.Errorf("nobody was answered, and it went on with %d", n)
		}
		n = 0
		out = b.each(ctx, b.clients, false, func(c *client) error { n++; cancel(); return nil })
		if n != 1 || out.ok != 1 || out.first != nil {
			t.Errorf("cut short it went on with %d: %+v", n, out)
		}
	})
}

// Allocations are refreshed, and permissions renewed, while a run goes on.
func TestKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		count := map[stun.Method]int{}
		s := &fakeServer{on: func(m *stun.Message) (stun.MessageType, []stun.Setter) {
			if !m.Contains(stun.AttrNonce) {
				return challengeOf(m.Type.Method, 401, "n")
			}
			count[m.Type.Method]++
			return success(m.Type.Method, xorRelayed(addr4), lifetime(600))
		}}
		o := good()
		o.Clients, o.Handshakes = 3, 1
		b := onPipes(t, o, s)
		b.peer = peerAt
		ctx := t.Context()
		if out, _ := b.allocateAll(ctx, true); out.first != nil {
			t.Fatal(out.first)
		}
		if out := b.permitAll(ctx); out.first != nil {
			t.Fatal(out.first)
		}
		done := b.keep(ctx)
		time.Sleep(2*permissionKept + time.Second)
		done()
		b.release()
		for m, want := range map[stun.Method]int{stun.MethodAllocate: 3, stun.MethodRefresh: 9, stun.MethodCreatePermission: 9, stun.MethodChannelBind: 9} {
			if count[m] != want {
				t.Errorf("%s: %d, want %d", m, count[m], want)
			}
		}
		if n, err := b.broken.told(); n != 0 {
			t.Error(err)
		}
	})
}

func TestKeepEvery(t *testing.T) {
	for lifetime, want := range map[time.Duration]time.Duration{
		0: 240 * time.Second, 600 * time.Second: 240 * time.Second, 60 * time.Second: 30 * time.Second, time.Second: time.Second, time.Hour: 240 * time.Second,
	} {
		if got := keepEvery(lifetime); got != want {
			t.Errorf("%v: every %v, want %v", lifetime, got, want)
		}
	}
}
