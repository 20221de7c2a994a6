package redisstore

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"turnpike/ratelimit"
)

// Store in Redis. It is safe for concurrent use.
type Store struct {
	o       Options
	client  redis.UniversalClient
	breaker breaker
	asked   atomic.Uint64
}

var errAway = ratelimit.ErrAway

// New makes a store. It connects when it is first asked.
func New(o Options) (*Store, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	// The client would log every failure to dial. Each comes back as an error,
	// and who asked counts it.
	logging.Disable()
	s := &Store{o: o, breaker: breaker{now: time.Now}}
	s.client = o.client(hook{&s.asked, o.Dialed})
	return s, nil
}

// Close ends all connections.
func (s *Store) Close() error { return s.client.Close() }

// Operations is how many commands Redis was asked to do.
func (s *Store) Operations() uint64 { return s.asked.Load() }

// fault reports whether an error says that the server is in no state to serve.
func fault(ctx context.Context, err error) bool {
	switch {
	case err == nil, errors.Is(err, redis.Nil), errors.Is(ctx.Err(), context.Canceled):
		return false
	}
	return true
}

// hash is 132 bits, in characters that any key may have.
func (s *Store) hash(parts ...string) string {
	h := hmac.New(sha256.New, s.o.HashKey)
	for _, p := range parts {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(p))))
		h.Write([]byte(p))
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))[:22]
}

// key of something of an account.
func (s *Store) key(a ratelimit.Account, of string) string {
	return s.o.Prefix + "{" + s.hash(strconv.Itoa(int(a.Kind)), a.Tenant, a.Name) + "}:" + of
}

// epochTTL is less than any lease has left that is renewed in time. A clock that
// jumps forward far enough to end leases ends the epoch too, and so decides
// nothing until every node has said again what it holds. Nodes read it each second.
const epochTTL = 30 * time.Second

func (s *Store) epochKey() string { return s.o.Prefix + "{epoch}" }

// Epoch reads the epoch, or begins one.
func (s *Store) Epoch(ctx context.Context) (ratelimit.Epoch, error) {
	got, err := s.run(ctx, call{epochScript, []string{s.epochKey()}, []any{rand.Text(), epochTTL.Milliseconds()}})[0].StringSlice()
	if err != nil {
		return ratelimit.Epoch{}, err
	}
	if len(got) != 2 {
		return ratelimit.Epoch{}, fmt.Errorf("redisstore: epoch: %q", got)
	}
	id, _, _ := strings.Cut(got[0], " ")
	born, err := epochBorn(got[0])
	now, err2 := strconv.ParseInt(got[1], 10, 64)
	if err = errors.Join(err, err2); err != nil {
		return ratelimit.Epoch{}, err
	}
	return ratelimit.Epoch{ID: id, Age: max(0, time.Duration(now-born)*time.Millisecond)}, nil
}

func epochBorn(v string) (int64, error) {
	_, ms, ok := strings.Cut(v, " ")
	if !ok {
		return 0, fmt.Errorf("redisstore: epoch: %q", v)
	}
	return strconv.ParseInt(ms, 10, 64)
}

// askEpoch is a call to go after those whose worth depends on the epoch.
func (s *Store) askEpoch() call { return call{keys: []string{s.epochKey()}} }

// sameEpoch takes its answer: an error if the epoch is another, or unknown.
func sameEpoch(got *redis.Cmd, want string) error {
	v, err := got.Text()
	if err != nil && !errors.Is(err, redis.Nil) {
		return err
	}
	if id, _, _ := strings.Cut(v, " "); id != want {
		return ratelimit.ErrEpoch
	}
	return nil
}
