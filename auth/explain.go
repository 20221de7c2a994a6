package auth

import "time"

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
func (k *Keyring) Explain(username string, now time.Time) Explanation {
	name, err := ParseUsername(username)
	e := Explanation{Name: name, Err: err}
	switch {
	case err != nil:
		if u := k.static[username]; u != nil {
			e.Bearers = []Bearer{{KeyID: u.ID, Tenant: u.Tenant, User: u.Name, Role: u.role}}
		}
	case name.Issued():
		if s := k.keys[name.KeyID]; s != nil {
			e.Bearers = []Bearer{s.bearer(name, k.roles[name.Role], now)}
		}
	default:
		for _, s := range k.shared {
			e.Bearers = append(e.Bearers, s.bearer(name, s.role, now))
		}
	}
	return e
}

func (s *signer) bearer(name Username, role *Role, now time.Time) Bearer {
	b := Bearer{KeyID: s.id, Tenant: s.tenant, Role: role, Outcome: s.judge(name, role, now)}
	user, found := s.rule.user(name.User)
	if !found && b.Outcome == OK {
		b.Outcome = NoUser
	}
	b.User = user
	return b
}
