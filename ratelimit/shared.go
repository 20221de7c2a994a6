package ratelimit

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// SharedOptions of a [Shared]. 0 means the default.
type SharedOptions struct {
	Ledger *Ledger
	Store  Store
	Now    func() time.Time
	Node   string         // name of this node, no other has it
	Zone   *time.Location // of days and months; nil: UTC
	Rules  Rules

	Lease     time.Duration // that places of a killed node stay taken; 90 s, renewed after a third
	Deadline  time.Duration // of a question that somebody waits for; 200 ms
	Interval  time.Duration // between rounds; 1 s
	Settling  time.Duration // that an empty store is not believed; 5 s
	Questions int           // that may wait; 1024

	// OnTransition is told once when the store can't be asked any more, with
	// the reason, and once with nil when it can again.
	OnTransition func(err error)
	// Describe says what this node announces every 3 s; nil: nothing.
	Describe func() Node
	// OnRevocation is told of every revocation that somebody published, in order;
	// after a restart of those again that the stream still has.
	OnRevocation func(payload []byte)
}

func (o *SharedOptions) complete() error {
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	for _, d := range []struct {
		to *time.Duration
		is time.Duration
	}{{&o.Lease, 90 * time.Second}, {&o.Deadline, 200 * time.Millisecond}, {&o.Interval, time.Second}, {&o.Settling, 5 * time.Second}} {
		if *d.to == 0 {
			*d.to = d.is
		}
	}
	if o.Questions == 0 {
		o.Questions = 1024
	}
	switch {
	case o.Ledger == nil || o.Store == nil || o.Now == nil:
		return errors.New("ratelimit: shared: Ledger, Store and Now must be given")
	case o.Node == "":
		return errors.New("ratelimit: shared: Node is empty; leases and grants are held in its name")
	case o.Lease < 3*o.Interval || o.Interval <= 0 || o.Deadline <= 0 || o.Settling < 0 || o.Questions < 1:
		return fmt.Errorf("ratelimit: shared: Lease %v, Interval %v, Deadline %v, Settling %v, Questions %d: all must be above 0, and a lease last for three intervals at least", o.Lease, o.Interval, o.Deadline, o.Settling, o.Questions)
	}
	return nil
}

// Shared lets a ledger decide for a fleet. It is safe for concurrent use.
type Shared struct {
	o     SharedOptions
	boot  string
	rules atomic.Pointer[Rules]

	asks  chan ask
	rings chan *grant
	kick  chan struct{}

	mu     sync.Mutex // guards the following; never held while the store is asked
	states map[Account]*state
	dirty  []*state  // to be looked at before the next full round
	freed  []Holding // to be released
	away   contact
	gone   bool   // that has been told
	failed uint64 // calls of the store, to see whether a round had any
	last   uint64 // number of the last lease or holder
	epoch  Epoch
	asOf   time.Time // when the epoch was read
	again  bool      // the epoch is new: say everything again
	doubt  time.Time // until when others may not have said again what they hold
	nodes  []Node
	told   time.Time // when the registry was last asked
	drains bool      // what it was told of this node
	record []Entry   // that wait to be stored

	counts sharedCounts
}

type contact uint8

const (
	unknown contact = iota // before the first round
	present
	absent
)

// NewShared makes one. It decides as if the store were away until [Shared.Run]
// has asked it.
func NewShared(o SharedOptions) (*Shared, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	s := &Shared{
		o: o, boot: rand.Text()[:12],
		asks: make(chan ask, o.Questions), rings: make(chan *grant, 4096), kick: make(chan struct{}, 1),
		states: map[Account]*state{},
	}
	s.SetRules(o.Rules)
	return s, nil
}

// SetRules holds for whatever is asked from now on.
func (s *Shared) SetRules(r Rules) { s.rules.Store(&r) }

// Nodes are those that lived when they were last read, a few seconds ago at most.
func (s *Shared) Nodes() []Node {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.nodes
}

// Usage of a user, or of a tenant if User is empty, in the month of the time given.
func (s *Shared) Usage(ctx context.Context, who Subject, month time.Time) (int64, error) {
	a, ok := who.account(OfUser)
	if !ok {
		a, _ = who.account(OfTenant)
	}
	used, err := s.o.Store.Usage(ctx, a, []string{s.span(month).month.Name})
	if err != nil {
		return 0, err
	}
	return used[0], nil
}

// name is a new one for a member or a holder.
func (s *Shared) nameLocked() string {
	s.last++
	return s.o.Node + "/" + s.boot + "/" + strconv.FormatUint(s.last, 36)
}

// hurryLocked has a state looked at at once.
func (s *Shared) hurryLocked(st *state) {
	if !st.dirty {
		st.dirty = true
		s.dirty = append(s.dirty, st)
	}
	s.hurry()
}

func (s *Shared) hurry() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// failedLocked takes an error of the store.
func (s *Shared) failedLocked(err error) {
	if errors.Is(err, ErrEpoch) {
		s.asOf = time.Time{} // read it again
		return
	}
	s.failed++
	if s.away = absent; !s.gone {
		s.gone = true
		s.tell(err)
	}
}

// servedLocked ends a round in which nothing failed. Only that is told as a return:
// a store that is full, or of which a part is gone, answers some questions.
func (s *Shared) servedLocked() {
	if s.gone {
		s.gone = false
		s.tell(nil)
	}
}

func (s *Shared) tell(err error) {
	if s.o.OnTransition != nil {
		s.o.OnTransition(err)
	}
}

// late is how much later than this node another may come back from an outage: it
// rests here, and its store does.
const late = 5 * longestRest / 2

// returnedLocked ends an outage. What the store says is in doubt for a while if it
// has lost its memory, or leases of others may have lapsed there, the first of which
// are those that nobody has confirmed yet.
func (s *Shared) returnedLocked(e Epoch, now time.Time) {
	s.again = true // a fail-over keeps the epoch, and not the newest writes
	if e.ID != s.epoch.ID || now.Sub(s.asOf) > min(pending, s.o.Lease*2/3)-late-s.o.Interval {
		s.doubt = now.Add(late + s.o.Settling/2)
	}
}

// doubtfulLocked: the store was found empty just now, or is in doubt for another
// reason, and others may not have said yet what they hold.
func (s *Shared) doubtfulLocked(now time.Time) bool {
	return s.asOf.IsZero() || now.Before(s.doubt) || s.epoch.Age+now.Sub(s.asOf) < s.o.Settling
}

// unheardLocked reports whether a limit can't be held by what the store says.
func (s *Shared) unheardLocked(r Rule, now time.Time) bool {
	return s.away != present || r.Strict && s.doubtfulLocked(now)
}
