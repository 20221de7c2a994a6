package auth

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// MaxShared is how many shared secrets a keyring holds at most: each is one
// more key derivation for every request that none of them signed.
const MaxShared = 8

// Key is an issuer key: we alone hold it.
type Key struct {
	ID     string // [A-Za-z0-9_-]{1,32}; part of every username it signs
	Secret Secret // MinKeyBytes or more
}

// Shared is a secret that an application holds too and mints with.
type Shared struct {
	ID     string        // [A-Za-z0-9_-]{1,32}; for records and metrics
	Tenant string        // [A-Za-z0-9_-]{0,32}; whose users these are. Empty is a tenant too
	Role   string        // of all its users; empty means DefaultRoleName
	Secret Secret        // MinSharedBytes or more
	MaxTTL time.Duration // how far ahead an expiry may lie, but for ClockSkew; the role's MaxTTL at most, and 0 means that
	IDRule IDRule        // who the user of a username is
}

// Options is what a keyring is made of.
type Options struct {
	Keys   []Key        // issuer keys: the current, and those whose credentials still live
	Issue  string       // id of the key to issue under; may be empty if there is one at most
	Shared []Shared     // tried in this order, MaxShared at most
	Static []StaticUser // beside the others
	Roles  []Role       // empty means DefaultRole alone
}

// Keyring is who may sign credentials and what they may grant. It never
// changes: a reload makes another.
type Keyring struct {
	keys   map[string]*signer
	issue  *signer // nil without issuer keys
	shared []*signer
	static map[string]*static // by name
	roles  map[string]*Role
	decoy  *signer // does the work where no key could fit
}

// NewKeyring checks everything and returns every fault at once, joined. A
// keyring without any secret or user is a fault: nobody could ever be let in.
func NewKeyring(o Options) (*Keyring, error) {
	k := &Keyring{keys: map[string]*signer{}, static: map[string]*static{}, roles: map[string]*Role{}, decoy: newSigner("", []byte("decoy"))}
	b := builder{ring: k, ids: map[string]bool{}, secrets: map[[20]byte]string{}}
	b.addRoles(o.Roles)
	for i, key := range o.Keys {
		b.addKey(i, key)
	}
	for i, s := range o.Shared {
		b.addShared(i, s)
	}
	for i, u := range o.Static {
		b.addStatic(i, u)
	}
	b.chooseIssue(o)
	if len(o.Shared) > MaxShared {
		b.fault("%d shared secrets, at most %d: every request with a wrong password is tried under each", len(o.Shared), MaxShared)
	}
	if len(o.Keys)+len(o.Shared)+len(o.Static) == 0 {
		b.fault("neither an issuer key nor a shared secret nor a static user: nobody could authenticate; give one at least")
	}
	if err := errors.Join(b.errs...); err != nil {
		return nil, err
	}
	return k, nil
}

// Role gives a role by name; "" means [DefaultRoleName]. The role must not be
// changed.
func (k *Keyring) Role(name string) (*Role, bool) {
	if name == "" {
		name = DefaultRoleName
	}
	r, ok := k.roles[name]
	return r, ok
}

// TenantOf is whose a shared secret or a static user is; false if there is none
// of that id. Issuer keys are nobody's: they sign for all tenants.
func (k *Keyring) TenantOf(id string) (tenant string, ok bool) {
	for _, s := range k.shared {
		if s.id == id {
			return s.tenant, true
		}
	}
	for _, u := range k.static {
		if u.ID == id {
			return u.Tenant, true
		}
	}
	return "", false
}

// builder gathers a keyring and its faults.
type builder struct {
	ring    *Keyring
	ids     map[string]bool
	secrets map[[20]byte]string // fingerprint to who has it
	errs    []error
}

func (b *builder) fault(format string, args ...any) {
	b.errs = append(b.errs, fmt.Errorf("auth: keyring: "+format, args...))
}

func (b *builder) addRoles(roles []Role) {
	if len(roles) == 0 {
		roles = []Role{DefaultRole()}
	}
	for _, r := range roles {
		if err := r.check(); err != nil {
			b.errs = append(b.errs, err)
		}
		if b.ring.roles[r.Name] != nil {
			b.fault("two roles are named %q; rename one", r.Name)
		}
		b.ring.roles[r.Name] = &r
	}
}

func (b *builder) addKey(i int, key Key) {
	where := fmt.Sprintf("issuer key %d (%q)", i+1, key.ID)
	b.checkID(where, key.ID)
	b.checkSecret(where, key.Secret, MinKeyBytes)
	b.ring.keys[key.ID] = newSigner(key.ID, key.Secret.Bytes())
}

func (b *builder) addShared(i int, s Shared) {
	where := fmt.Sprintf("shared secret %d (%q)", i+1, s.ID)
	b.checkID(where, s.ID)
	b.checkSecret(where, s.Secret, MinSharedBytes)
	role := b.checkBearer(where, s.Tenant, s.Role)
	if s.MaxTTL != 0 && (s.MaxTTL < time.Second || role != nil && s.MaxTTL > role.MaxTTL) {
		b.fault("%s: MaxTTL is %v, it must be 1s to the MaxTTL of its role, or 0 for that", where, s.MaxTTL)
	}
	signer := newSigner(s.ID, s.Secret.Bytes())
	signer.tenant, signer.role, signer.maxTTL, signer.rule = s.Tenant, role, s.MaxTTL, s.IDRule
	b.ring.shared = append(b.ring.shared, signer)
}

func (b *builder) addStatic(i int, u StaticUser) {
	where := fmt.Sprintf("static user %d (%q)", i+1, u.ID)
	b.checkID(where, u.ID)
	if err := CheckStaticName(u.Name); err != nil {
		b.fault("%s: %w", where, err)
	} else if b.ring.static[u.Name] != nil {
		b.fault("%s: the name is taken; give each user another", where)
	}
	hasKey := u.Key != LongTermKey{}
	switch {
	case hasKey && u.Password.Len() > 0:
		b.fault("%s: both a password and a key; keep one", where)
	case !hasKey:
		b.checkSecret(where, u.Password, MinSharedBytes)
	}
	b.ring.static[u.Name] = &static{StaticUser: u, role: b.checkBearer(where, u.Tenant, u.Role)}
}

// checkBearer gives the role of those whose tenant and role are configured.
func (b *builder) checkBearer(where, tenant, role string) *Role {
	if tenant != "" && !validName(tenant) {
		b.fault("%s: the tenant must be at most %d of A-Z a-z 0-9 _ -", where, MaxName)
	}
	r, ok := b.ring.Role(role)
	if !ok {
		b.fault("%s: there is no role %q; define it or name another", where, role)
	}
	return r
}

func (b *builder) checkID(where, id string) {
	if !validName(id) {
		b.fault("%s: the id must be 1 to %d of A-Z a-z 0-9 _ -", where, MaxName)
		return
	}
	if b.ids[id] {
		b.fault("%s: the id is taken; ids are unique among issuer keys, shared secrets and static users, as records name them", where)
	}
	b.ids[id] = true
}

// checkSecret also refuses a secret that is there already. HMAC takes some
// different keys for the same one (RFC 2104 §2: trailing zeros are padding, a
// key longer than a block is hashed), so what they compute is compared.
func (b *builder) checkSecret(where string, s Secret, least int) {
	if err := checkSecret(s.Bytes(), least); err != nil {
		b.fault("%s: %w", where, err)
		return
	}
	print := newSigner("", s.Bytes()).sum("fingerprint")
	if other := b.secrets[print]; other != "" {
		b.fault("%s: the same secret as %s; whoever holds one could sign for the other, so generate a new one", where, other)
	}
	b.secrets[print] = where
}

func (b *builder) chooseIssue(o Options) {
	issue := o.Issue
	if issue == "" && len(o.Keys) == 1 {
		issue = o.Keys[0].ID
	}
	b.ring.issue = b.ring.keys[issue]
	switch {
	case issue == "" && len(o.Keys) > 1:
		b.fault("Issue is empty and there are %d issuer keys; name the id of the newest", len(o.Keys))
	case issue != "" && !slices.ContainsFunc(o.Keys, func(k Key) bool { return k.ID == issue }):
		b.fault("Issue names the key %q, which does not exist; name one of the issuer keys", issue)
	}
}
