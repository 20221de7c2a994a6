package auth

import (
	"cmp"
	"time"
)

// Explanation is what can be said of a username without its password.
type Explanation struct {
	Name    Username // zero if it is none of the forms of ParseUsername
	Err     error    // why it is none of them
	Bearers []Bearer // who may have signed it; none: nobody is let in by it
}

// Bearer is a key, a secret or a static user, and what a username is worth that
// it has signed.
type Bearer struct {
	KeyID, Tenant string
	User          string  // empty if there is none
	Role          *Role   // nil if Outcome is UnknownRole; must not be changed
	Outcome       Outcome // of the right password
}

// Explain tells what Verify would make of a username with the right password. It
// says nothing of a signature and takes no care of equal work: it is for the
// operator, and never for a client.
func (v *Verifier) Explain(username string, now time.Time) Explanation {
	name, err := ParseUsername(username)
	e := Explanation{Name: name, Err: err}
	switch {
	case err != nil:
		if u := v.static[username]; u != nil {
			e.Bearers = []Bearer{v.bearer(u, OK)}
		}
	case name.Issued():
		if s := v.ring.keys[name.KeyID]; s != nil {
			e.Bearers = []Bearer{v.signedBy(s, name, v.ring.roles[name.Role], now)}
		}
	default:
		for _, s := range v.ring.shared {
			e.Bearers = append(e.Bearers, v.signedBy(s, name, s.role, now))
		}
	}
	return e
}

func (v *Verifier) signedBy(s *signer, name Username, role *Role, now time.Time) Bearer {
	outcome := s.judge(name, role, now)
	user, found := s.rule.user(name.User)
	if !found && outcome == OK {
		outcome = NoUser
	}
	id := Identity{User: user, Tenant: cmp.Or(name.Tenant, s.tenant), Role: role, CredentialID: name.CredentialID, KeyID: s.id}
	if role != nil {
		id.Issued = issued(name, s.longest(role))
	}
	return v.bearer(&id, outcome)
}

func (v *Verifier) bearer(id *Identity, outcome Outcome) Bearer {
	if outcome == OK && v.revoked.Revoked(id) {
		outcome = Revoked
	}
	return Bearer{KeyID: id.KeyID, Tenant: id.Tenant, User: id.User, Role: id.Role, Outcome: outcome}
}
