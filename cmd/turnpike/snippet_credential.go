package main

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"

	"turnpike/pkg/config"
	"turnpike/pkg/snippet"
	"turnpike/relay"
	"turnpike/relay/gate"
)

// credential fills in what the application authenticates with. missing says what
// the configuration still needs for it; an id that was asked for and is not there
// is an error.
func (o *snippetOptions) credential(app snippet.App, c *config.Config, server *snippet.Server) (missing string, err error) {
	id, asked := o.id, o.id != ""
	if !asked {
		id = app.Name
	}
	switch app.Kind {
	case snippet.Issued:
		return o.apiKey(id, asked, c, server)
	default:
		return o.shared(app, id, asked, c, server)
	}
}

func (o *snippetOptions) shared(app snippet.App, id string, asked bool, c *config.Config, server *snippet.Server) (string, error) {
	all := c.Credentials.SharedSecrets
	i := slices.IndexFunc(all, func(s config.SharedSecret) bool { return s.ID == id })
	if i < 0 && asked {
		return "", fmt.Errorf("snippet: credentials.shared_secrets has no id %q; name another, or leave --id out", id)
	}
	if i < 0 && o.show {
		return "", fmt.Errorf("snippet: credentials.shared_secrets has no id %q, so there is no secret to show; leave --show-secret out to hear what to add", id)
	}
	entry, missing := config.SharedSecret{ID: id, SecretFile: o.beside(id + ".secret")}, ""
	role := roleOf(c, "default")
	if i >= 0 {
		entry, role = all[i], roleOf(c, all[i].Role)
	} else {
		missing = o.missing("shared secret", id, sharedEntry(app, entry, role))
	}
	server.Secret = o.secret(entry.SecretFile, entry.Secret.Text(), fmt.Sprintf("the secret of credentials.shared_secrets[%d]", i))
	server.TTL = role.CredentialTTL
	if app.ReadsFile && server.Secret.File != "" {
		missing += fmt.Sprintf("%s reads %s itself: make it the file of a group that it is in, with mode 0640.\n", app.Title, server.Secret.File)
	}
	if app.TTL > role.MaxCredentialTTL {
		missing += fmt.Sprintf("%s mints for %v, and the role %s allows %v: every client is refused. Raise its max_credential_ttl.\n",
			app.Title, app.TTL, role.ID, role.MaxCredentialTTL)
	}
	return missing, nil
}

// missing tells what to add to the configuration, and how the secret is made.
func (o *snippetOptions) missing(what, id, entry string) string {
	return fmt.Sprintf("%s has no %s %q yet. Add this to it, then: turnpike reload\n\n%s\n", *o.file, what, id, entry)
}

// sharedEntry is what has to stand in the configuration. Each application is a
// tenant, so that users of the same name in two of them share nothing.
func sharedEntry(app snippet.App, s config.SharedSecret, role config.Role) string {
	return fmt.Sprintf("  (umask 077; openssl rand -base64 32 > %s)\n\n"+
		"  credentials:\n    shared_secrets:\n      - {id: %s, tenant: %s, role: %s, secret_file: %s}\n",
		s.SecretFile, s.ID, app.Name, role.ID, s.SecretFile)
}

func (o *snippetOptions) apiKey(id string, asked bool, c *config.Config, server *snippet.Server) (missing string, err error) {
	server.Secret.Text = "API-KEY" // the configuration has no more than its hash
	if o.show {
		return "", errors.New("snippet: of an API key the configuration has the hash alone; put the key itself in the place of API-KEY")
	}
	if slices.ContainsFunc(c.Issuer.APIKeys, func(k config.APIKey) bool { return k.ID == id }) {
		return "In the place of API-KEY goes the key itself, of which the configuration has the hash alone.\n", nil
	}
	if asked {
		return "", fmt.Errorf("snippet: issuer.api_keys has no id %q; name another, or leave --id out", id)
	}
	return o.missing("API key", id, fmt.Sprintf("  KEY=\"tk_%[1]s_$(openssl rand 32 | openssl base64 -A | tr '+/' '-_' | tr -d '=')\"\n"+
		"  echo \"$KEY\"; printf %%s \"$KEY\" | sha256sum\n\n"+
		"  issuer:\n    api_keys:\n      - {id: %[1]s, hash: \"sha256:HASH\"}\n", id)), nil
}

// secret is one as it may be shown: itself, or where it is.
func (o *snippetOptions) secret(file, text, place string) snippet.Secret {
	switch {
	case o.show:
		return snippet.Secret{Text: text}
	case file != "":
		return snippet.Secret{File: file, Text: "SECRET: what stands in " + file}
	}
	return snippet.Secret{Text: "SECRET: " + place}
}

// roleOf is the role of that name, or the first one.
func roleOf(c *config.Config, id string) config.Role {
	return c.Roles[max(0, slices.IndexFunc(c.Roles, func(r config.Role) bool { return r.ID == id }))]
}

// beside is a file in the folder of the configuration.
func (o *snippetOptions) beside(name string) string {
	dir := filepath.Dir(*o.file)
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	return filepath.Join(dir, name)
}

// bounds are the listeners as they will be bound.
func (s *settings) bounds() (all []relay.Bound) {
	for _, l := range s.Listen {
		for over, spoken := range map[gate.Transport]bool{gate.UDP: l.UDP, gate.TCP: l.TCP, gate.TLS: l.TLS} {
			if spoken {
				all = append(all, relay.Bound{Addr: l.Addr, Transport: over})
			}
		}
	}
	return all
}

// issuerURL is the base of the issuer's URLs: of the first that listens on a
// port, by the name that its certificate has. Where none listens yet, it will be
// the usual port of host.
func (s *settings) issuerURL(host string) string {
	for _, e := range s.Issuer.Listen {
		if e.network == "unix" {
			continue
		}
		e.secure = s.Issuer.Certificate != nil
		if _, port, err := net.SplitHostPort(e.address); err == nil && e.secure && s.Issuer.Host != "" {
			e.address = net.JoinHostPort(s.Issuer.Host, port)
		}
		return e.String()
	}
	return fmt.Sprintf("https://%s", net.JoinHostPort(host, "3480"))
}
