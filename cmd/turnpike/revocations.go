package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"turnpike/auth"
)

// revocations are those in force, and the file that keeps them over a restart.
type revocations struct {
	set  *auth.Revocations
	file string     // none: nothing keeps them
	mu   sync.Mutex // one save at a time

	changed chan struct{} // by other nodes, and not saved yet
}

// openRevocations reads the file, if it is there, and sees that it can be written.
// A server that could not read it would let in who was revoked, so it does not
// start.
func openRevocations(file string, now time.Time) (*revocations, error) {
	r, err := readRevocations(file, now)
	if err != nil {
		return nil, err
	}
	if err := r.save(now); err != nil {
		return nil, fmt.Errorf("credentials.revocations_file: %w; give a path in a folder that this user may write to", err)
	}
	return r, nil
}

// readRevocations reads the file, if it is there.
func readRevocations(file string, now time.Time) (*revocations, error) {
	r := &revocations{set: auth.NewRevocations(), file: file, changed: make(chan struct{}, 1)}
	if file == "" {
		return r, nil
	}
	if err := r.load(now); err != nil {
		return nil, fmt.Errorf("credentials.revocations_file: %s can't be read: %w; "+
			"repair the line, or take it away if what it revoked may be good again", file, err)
	}
	return r, nil
}

func (r *revocations) load(now time.Time) error {
	f, err := os.Open(r.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	return r.set.Load(f, now)
}

// save writes the file anew. Whoever reads it finds it as it was or as it is, and
// a power cut leaves one of the two.
func (r *revocations) save(now time.Time) error {
	if r.file == "" {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	dir := filepath.Dir(r.file)
	f, err := os.CreateTemp(dir, "."+filepath.Base(r.file)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails once it has its name
	if err := errors.Join(r.set.Save(f, now), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), r.file); err != nil {
		return err
	}
	return syncFolder(dir)
}

// revoked is what became of a revocation.
type revoked struct {
	Revocation auth.Revocation `json:"revocation"`
	Sessions   int             `json:"sessions_ended"`
	// Notes are what the asker may not expect of it.
	Notes []string `json:"notes"`
}

// revoke puts a revocation in force, ends the sessions that it names, and keeps
// it. An error that is no [auth.ErrRevocation] leaves it in force until a restart.
func (p *parts) revoke(x auth.Revocation) (revoked, error) {
	s, now := p.settings.Load(), time.Now()
	if x.Until.IsZero() && x.Kind != auth.RevokeKey {
		x.Until = s.forgotten(x, now)
	}
	x, n, err := p.relay.Revoke(x)
	if err != nil {
		return revoked{}, err
	}
	p.logs.Info("revoked", "kind", x.Kind, "id", x.ID, "tenant", x.Tenant, "user", x.User,
		"before", x.Before, "until", x.Until, "sessions_ended", n)
	done := revoked{Revocation: x, Sessions: n, Notes: []string{}} // [] in JSON, not null
	if x.Kind == auth.RevokeKey && !s.hasKey(x.ID) {
		done.Notes = append(done.Notes, "no issuer key, shared secret or static user of the configuration in force has this id")
	}
	if p.revoked.file == "" && p.fleet.redis == nil {
		done.Notes = append(done.Notes, "a restart forgets it: there is no credentials.revocations_file")
	}
	return done, errors.Join(p.kept(now), p.spread(x, false))
}

// lift takes a revocation back; false: there is none.
func (p *parts) lift(x auth.Revocation) (found bool, err error) {
	if !p.revoked.set.Lift(x) {
		return false, nil
	}
	p.logs.Info("revocation lifted", "kind", x.Kind, "id", x.ID, "tenant", x.Tenant, "user", x.User)
	return true, errors.Join(p.kept(time.Now()), p.spread(x, true))
}

// keepRevocations saves what other nodes have revoked, all that has come meanwhile
// at once.
func (p *parts) keepRevocations(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.revoked.changed:
			_ = p.kept(time.Now()) // logged
		}
	}
}

func (p *parts) kept(now time.Time) error {
	err := p.revoked.save(now)
	if err == nil {
		return nil
	}
	p.logs.Error("revocations can't be kept", "file", p.revoked.file, slog.Any("error", err))
	return fmt.Errorf("it is in force, and a restart undoes it: %w", err)
}

// never is beyond every clock.
var never = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)

// forgotten is when nothing is left of what is revoked now. A static user's
// password does not expire.
func (s *settings) forgotten(x auth.Revocation, now time.Time) time.Time {
	for _, u := range s.Keyring.Static {
		if x.Kind == auth.RevokeUser && u.Name == x.User && u.Tenant == x.Tenant {
			return never
		}
	}
	return now.Add(s.longestTTL() + 2*auth.ClockSkew)
}

// longestTTL is the longest life of a credential under any role.
func (s *settings) longestTTL() time.Duration {
	longest := time.Duration(0)
	for _, r := range s.Keyring.Roles {
		longest = max(longest, r.MaxTTL)
	}
	if longest == 0 {
		return auth.DefaultRole().MaxTTL
	}
	return longest
}

func (s *settings) hasKey(id string) bool {
	k := &s.Keyring
	return slices.ContainsFunc(k.Keys, func(k auth.Key) bool { return k.ID == id }) ||
		slices.ContainsFunc(k.Shared, func(s auth.Shared) bool { return s.ID == id }) ||
		slices.ContainsFunc(k.Static, func(u auth.StaticUser) bool { return u.ID == id })
}
