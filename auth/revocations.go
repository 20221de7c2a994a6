package auth

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"
)

// MaxRevocations is how many revocations are held at most. Whoever needs more
// revokes a key.
const MaxRevocations = 65_536

// ErrTooManyRevocations is the answer to one more. Nothing is forgotten for it:
// what was revoked would be good again.
var ErrTooManyRevocations = fmt.Errorf("auth: %d revocations are in force and no more are held: change a key instead, and what it signed is refused", MaxRevocations)

// Revocations are those in force. They may be used from any number of
// goroutines. Nil has none.
type Revocations struct {
	mu sync.RWMutex // guards in
	in map[subject]Revocation
}

// subject is what is revoked: of a user there is one revocation, the latest.
type subject struct {
	kind             RevocationKind
	id, tenant, user string
}

func (r *Revocation) subject() subject { return subject{r.Kind, r.ID, r.Tenant, r.User} }

// NewRevocations makes an empty set.
func NewRevocations() *Revocations { return &Revocations{in: make(map[subject]Revocation)} }

// Revoked reports whether the holder's credential is revoked.
func (r *Revocations) Revoked(id *Identity) bool {
	if r == nil {
		return false
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.in) > 0 && (r.names(subject{kind: RevokeKey, id: id.KeyID}, id) ||
		r.names(subject{kind: RevokeCredential, id: id.CredentialID}, id) ||
		r.names(subject{kind: RevokeCredential, id: id.CredentialID, tenant: id.Tenant}, id) ||
		r.names(subject{kind: RevokeUser, tenant: id.Tenant, user: id.User}, id))
}

func (r *Revocations) names(s subject, id *Identity) bool {
	x, found := r.in[s]
	return found && x.Names(id)
}

// Add puts a revocation in force and returns it with what it left open. What is
// revoked already stays so: the later times of the two hold.
func (r *Revocations) Add(x Revocation, now time.Time) (Revocation, error) {
	if err := x.complete(now); err != nil {
		return x, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	old, known := r.in[x.subject()]
	if known {
		x = x.after(old)
	} else if len(r.in) >= MaxRevocations {
		r.prune(now)
		if len(r.in) >= MaxRevocations {
			return x, ErrTooManyRevocations
		}
	}
	r.in[x.subject()] = x
	return x, nil
}

// after is the revocation with what one before it of the same subject has more.
func (r Revocation) after(old Revocation) Revocation {
	if old.Before.After(r.Before) {
		r.Before = old.Before
	}
	if old.Until.IsZero() || !r.Until.IsZero() && old.Until.After(r.Until) {
		r.Until = old.Until
	}
	return r
}

// Lift takes a revocation back; false: its subject is not revoked. What is lifted
// is good again until it expires.
func (r *Revocations) Lift(x Revocation) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, found := r.in[x.subject()]
	delete(r.in, x.subject())
	return found
}

// prune forgets what names nothing any more.
func (r *Revocations) prune(now time.Time) {
	for s, x := range r.in {
		if x.over(now) {
			delete(r.in, s)
		}
	}
}

func (r *Revocation) over(now time.Time) bool { return !r.Until.IsZero() && r.Until.Before(now) }

// Len is how many there are, of those that are over some.
func (r *Revocations) Len() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.in)
}

// List is what is revoked, in the order of kind, tenant, user and id.
func (r *Revocations) List(now time.Time) []Revocation {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	r.prune(now)
	all := make([]Revocation, 0, len(r.in))
	for _, x := range r.in {
		all = append(all, x)
	}
	r.mu.Unlock()
	slices.SortFunc(all, func(a, b Revocation) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.User, b.User), cmp.Compare(a.ID, b.ID))
	})
	return all
}

// Save writes what is revoked, a line of JSON each.
func (r *Revocations) Save(w io.Writer, now time.Time) error {
	b := bufio.NewWriter(w)
	lines := json.NewEncoder(b)
	for _, x := range r.List(now) {
		if err := lines.Encode(x); err != nil {
			return err
		}
	}
	return b.Flush()
}

// maxRevocationLine holds the longest line: a user's name may be escaped.
const maxRevocationLine = 2048

// Load adds what Save has written. An error names the line; what was before it
// is added.
func (r *Revocations) Load(from io.Reader, now time.Time) error {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, maxRevocationLine)
	n := 1
	for ; lines.Scan(); n++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		if err := r.loadLine(lines.Bytes(), now); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("line %d: %w", n, err)
	}
	return nil
}

func (r *Revocations) loadLine(line []byte, now time.Time) error {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	var x Revocation
	if err := d.Decode(&x); err != nil {
		return err
	}
	if d.More() {
		return fmt.Errorf("%w: more than one JSON object", ErrRevocation)
	}
	if x.over(now) {
		return nil
	}
	if x.Before.After(now) { // a clock that was set back must not keep a server from starting
		now = x.Before
	}
	_, err := r.Add(x, now)
	return err
}
