package auth

import (
	"strings"
	"testing"
	"time"
)

const (
	keyA    = "kWq7Zp2LxV9sTn4RbYc8Hd3Jf6Mg1Aeu"
	keyB    = "Qm5Xr8Tz1Wc4Vb7Nk0Lj3Hg6Fd9Sa2Py"
	sharedA = "T4gHy7Ju0Ki3Lo6P"
	sharedB = "Zx9Cv2Bn5Mq8We1R"
)

// valid is a keyring's options that have no fault.
func valid(t testing.TB) Options {
	return Options{
		Keys:  []Key{{"k1", mustKey(t, keyA)}, {"k2", mustKey(t, keyB)}},
		Issue: "k2",
		Shared: []Shared{
			{ID: "synapse", Tenant: "matrix", Secret: mustShared(t, sharedA)},
			{ID: "talk", Tenant: "cloud", Role: "small", Secret: mustShared(t, sharedB)},
		},
		Roles: []Role{DefaultRole(), {Name: "small", TTL: time.Minute, MaxTTL: time.Hour, RelayOnly: true}},
	}
}

func mustShared(t testing.TB, text string) Secret {
	t.Helper()
	s, err := ParseSecret(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustKeyring(t testing.TB, o Options) *Keyring {
	t.Helper()
	k, err := NewKeyring(o)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestKeyringAccepts(t *testing.T) {
	mustKeyring(t, valid(t))
	mustKeyring(t, Options{Keys: []Key{{"k", mustKey(t, keyA)}}})                        // issue under the only key, default role
	mustKeyring(t, Options{Shared: []Shared{{ID: "s", Secret: mustShared(t, sharedA)}}}) // no issuer
}

func TestKeyringRefuses(t *testing.T) {
	for want, change := range map[string]func(*Options){
		"neither an issuer key nor a shared secret nor a static user":    func(o *Options) { *o = Options{} },
		`issuer key 2 ("k1"): the id is taken`:                           func(o *Options) { o.Keys[1].ID = "k1"; o.Issue = "k1" },
		`shared secret 1 ("k1"): the id is taken`:                        func(o *Options) { o.Shared[0].ID = "k1" },
		`shared secret 2 ("synapse"): the id is`:                         func(o *Options) { o.Shared[1].ID = "synapse" },
		`issuer key 1 ("a.b"): the id must be`:                           func(o *Options) { o.Keys[0].ID = "a.b" },
		`issuer key 1 (""): the id must be`:                              func(o *Options) { o.Keys[0].ID = "" },
		`shared secret 1 ("a b"): the id must be`:                        func(o *Options) { o.Shared[0].ID = "a b" },
		"the tenant must be":                                             func(o *Options) { o.Shared[0].Tenant = "a:b" },
		`issuer key 1 ("k1"): auth: secret: empty`:                       func(o *Options) { o.Keys[0].Secret = Secret{} },
		"secret: 16 bytes, at least 32":                                  func(o *Options) { o.Keys[0].Secret = mustShared(t, sharedA+"") },
		`shared secret 1 ("synapse"): auth: secret: empty`:               func(o *Options) { o.Shared[0].Secret = Secret{} },
		`issuer key 2 ("k2"): the same secret as issuer key 1 ("k1")`:    func(o *Options) { o.Keys[1].Secret = o.Keys[0].Secret },
		`the same secret as issuer key 1 ("k1")`:                         func(o *Options) { o.Shared[1].Secret = mustShared(t, keyA) },
		`the same secret as shared secret 1 ("synapse")`:                 func(o *Options) { o.Shared[1].Secret = o.Shared[0].Secret },
		`there is no role "gold"`:                                        func(o *Options) { o.Shared[0].Role = "gold" },
		`there is no role ""`:                                            func(o *Options) { o.Roles = o.Roles[1:] },
		`two roles are named "small"`:                                    func(o *Options) { o.Roles = append(o.Roles, o.Roles[1]) },
		`Issue names the key "k3"`:                                       func(o *Options) { o.Issue = "k3" },
		`Issue names the key "synapse"`:                                  func(o *Options) { o.Issue = "synapse" },
		"Issue is empty and there are 2":                                 func(o *Options) { o.Issue = "" },
		`role "small": TTL is 2h0m0s`:                                    func(o *Options) { o.Roles[1].TTL = 2 * time.Hour },
		`role "small": TTL is 0s`:                                        func(o *Options) { o.Roles[1].TTL = 0 },
		`role "small": MaxTTL is 10000h0m0s`:                             func(o *Options) { o.Roles[1].MaxTTL = 10000 * time.Hour },
		`role "small": MaxSession is`:                                    func(o *Options) { o.Roles[1].MaxSession = -1 },
		`role "small": Idle is`:                                          func(o *Options) { o.Roles[1].Idle = -1 },
		`role "small": Allocations is`:                                   func(o *Options) { o.Roles[1].Allocations = -1 },
		`role "small": SessionBits is`:                                   func(o *Options) { o.Roles[1].SessionBits = -1 },
		`role "small": UserBits is`:                                      func(o *Options) { o.Roles[1].UserBits = -1 },
		`role "small": BytesPerMonth is`:                                 func(o *Options) { o.Roles[1].BytesPerMonth = -1 },
		`role "small": AllocationsPerMinute is 1 and AllocationsBurst 0`: func(o *Options) { o.Roles[1].AllocationsPerMinute, o.Roles[1].AllocationsBurst = 1, 0 },
		`role "small": CredentialsPerMinute is -1`:                       func(o *Options) { o.Roles[1].CredentialsPerMinute = -1 },
		`role "small": BytesPerDay is`:                                   func(o *Options) { o.Roles[1].BytesPerDay = -1 },
		`role "a.b": the name must be`:                                   func(o *Options) { o.Roles = append(o.Roles, DefaultRole()); o.Roles[2].Name = "a.b" },
		"9 shared secrets, at most 8": func(o *Options) {
			for _, c := range "abcdefg" {
				o.Shared = append(o.Shared, Shared{ID: string(c), Secret: mustShared(t, sharedA+string(c))})
			}
		},
	} {
		o := valid(t)
		change(&o)
		if _, err := NewKeyring(o); err == nil {
			t.Errorf("accepted, want %q", want)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// HMAC takes a key and the same with zeros after it for one: RFC 2104 §2.
func TestKeyringSameKeyForHMAC(t *testing.T) {
	_, err := NewKeyring(Options{
		Keys:  []Key{{"k1", mustKey(t, keyA)}, {"k2", mustKey(t, keyA+"\x00\x00")}},
		Issue: "k1",
	})
	if err == nil || !strings.Contains(err.Error(), "the same secret") {
		t.Errorf("got %v", err)
	}
}

func TestKeyringTellsAllFaults(t *testing.T) {
	o := valid(t)
	o.Keys[0].ID, o.Shared[0].Role, o.Issue, o.Roles[1].Idle = "!", "gold", "none", -1
	_, err := NewKeyring(o)
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{`"!"`, `"gold"`, `"none"`, "Idle"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %s", err, want)
		}
	}
	if strings.Contains(err.Error(), keyA) || strings.Contains(err.Error(), sharedA) {
		t.Error("the error shows a secret")
	}
}

// A keyring keeps nothing of its options that a caller could change.
func TestKeyringIsImmutable(t *testing.T) {
	o := valid(t)
	k := mustKeyring(t, o)
	o.Roles[1].MaxTTL, o.Keys[1].ID, o.Shared[0].Tenant = 0, "x", "x"
	if r, ok := k.Role("small"); !ok || r.MaxTTL != time.Hour {
		t.Errorf("role is now %+v", r)
	}
	if k.issue.id != "k2" || k.shared[0].tenant != "matrix" {
		t.Error("the keyring changed")
	}
}

func TestDefaultRole(t *testing.T) {
	if err := DefaultRole().check(); err != nil {
		t.Error(err)
	}
}
