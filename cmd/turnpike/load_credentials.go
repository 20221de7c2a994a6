package main

import (
	"crypto/rand"
	"fmt"
	"slices"

	"turnpike/auth"
	"turnpike/pkg/config"
)

func (l *loader) keyring() auth.Options {
	c := l.c.Credentials
	o := auth.Options{Issue: c.IssueWith}
	for i, k := range c.IssuerKeys {
		path := fmt.Sprintf("credentials.issuer_keys[%d]", i)
		secret := l.secret(path, k.Secret, k.SecretFile, func(text string) (auth.Secret, error) {
			if _, err := auth.ParseSecret(text); err != nil {
				return auth.Secret{}, err
			}
			return auth.NewSecret([]byte(text)) // as for ParseSecret, but longer
		})
		o.Keys = append(o.Keys, auth.Key{ID: k.ID, Secret: secret})
	}
	for i, s := range c.SharedSecrets {
		path := fmt.Sprintf("credentials.shared_secrets[%d]", i)
		secret := l.secret(path, s.Secret, s.SecretFile, auth.ParseSecret)
		o.Shared = append(o.Shared, auth.Shared{ID: s.ID, Tenant: s.Tenant, Role: s.Role, Secret: secret, MaxTTL: s.MaxTTL, IDRule: l.idRule(path, s)})
	}
	for i, u := range c.Users {
		o.Static = append(o.Static, l.user(fmt.Sprintf("credentials.users[%d]", i), u))
	}
	for _, r := range l.c.Roles {
		o.Roles = append(o.Roles, auth.Role{
			Name: r.ID, TTL: r.CredentialTTL, MaxTTL: r.MaxCredentialTTL, MaxSession: r.MaxSession, Idle: r.Idle,
			Allocations: r.Allocations, SessionBits: r.SessionBitRate, UserBits: r.UserBitRate,
			BytesPerDay: r.BytesPerDay, BytesPerMonth: r.BytesPerMonth,
			AllocationsPerMinute: r.AllocationsPerMinute, AllocationsBurst: r.AllocationsBurst,
			CredentialsPerMinute: r.CredentialsPerMinute, CredentialsBurst: r.CredentialsBurst,
			RelayOnly: r.RelayOnly, Transports: roleTransports(r.Transports),
		})
	}
	return o
}

func (l *loader) idRule(path string, s config.SharedSecret) auth.IDRule {
	switch s.IDRule {
	case "none":
		return auth.NoUsers()
	case "regex":
		rule, err := auth.FindUser(s.IDRegex)
		l.wrong(path+".id_regex", err)
		return rule
	}
	return auth.IDRule{}
}

func (l *loader) user(path string, u config.User) auth.StaticUser {
	s := auth.StaticUser{ID: u.ID, Name: u.Username, Tenant: u.Tenant, Role: u.Role}
	at := path + ".username"
	if u.Username == u.ID {
		at = path + ".id" // which stands for the other
	}
	l.wrong(at, auth.CheckStaticName(u.Username))
	if u.KeyFile == "" {
		s.Password = l.secret(path, u.Secret, u.SecretFile, auth.ParseSecret)
		return s
	}
	var err error
	s.Key, err = auth.ParseKey(u.Secret.Text())
	l.wrong(path+".key_file", err)
	return s
}

func passwordAlgorithms(list []config.PasswordAlgorithm) (all []auth.Algorithm) {
	for _, a := range list {
		if a == config.SHA256 {
			all = append(all, auth.SHA256)
		} else {
			all = append(all, auth.MD5)
		}
	}
	return all
}

// secret parses one and sees that nobody else has it.
func (l *loader) secret(path string, text config.Secret, file string, parse func(string) (auth.Secret, error)) auth.Secret {
	at := path + ".secret"
	if file != "" {
		at = path + ".secret_file"
	}
	s, err := parse(text.Text())
	if err != nil {
		l.wrong(at, err)
		return s
	}
	same := slices.IndexFunc(l.secrets, func(o owned) bool { return o.secret.Equal(s) })
	if same >= 0 {
		l.fault(at, "generate a new one: turnpike secret new",
			"is the same secret as that of %s; whoever holds one could sign for the other", l.secrets[same].path)
	}
	l.secrets = append(l.secrets, owned{path, s})
	return s
}

func (l *loader) nonceKey() []byte {
	if l.c.Credentials.NonceKeyFile == "" {
		key := make([]byte, 32)
		rand.Read(key) // never fails
		return key
	}
	key := []byte(l.c.Credentials.NonceKey.Text())
	if _, err := auth.NewSecret(key); err != nil {
		l.wrong("credentials.nonce_key_file", err)
	}
	return key
}
