package main

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"turnpike/pkg/config"
	"turnpike/pkg/snippet"
	"turnpike/relay"
	"turnpike/relay/gate"
)

// credential fills in what the application authenticates with. more says what the
// configuration still needs for it, and what else there is to do; an id that was
// asked for and is not there is an error.
func (o *snippetOptions) credential(app snippet.App, c *config.Config, server *snippet.Server) (more string, err error) {
	id, asked := o.id, o.id != ""
	if !asked {
		id = app.Name
	}
	var found bool
	switch app.Kind {
	case snippet.Shared:
		found, more = o.shared(app, id, c, server)
	case snippet.Static:
		found, more = o.static(app, id, c, server)
	case snippet.Issued:
		found, more = o.apiKey(app, id, c, server)
	}
	where := places[app.Kind]
	switch {
	case asked && !found:
		return "", fmt.Errorf("snippet: %s has no id %q; name another, or leave --id out", where, id)
	case o.show && app.Kind == snippet.Issued:
		return "", errors.New("snippet: of an API key the configuration has the hash alone; put the key itself in the place of API-KEY")
	case o.show && !found:
		return "", fmt.Errorf("snippet: %s has no id %q, so there is no secret to show; leave --show-secret out to hear what to add", where, id)
	case len(server.TURN) == 0:
		return "", fmt.Errorf("snippet: no listener speaks a transport that the role of %q may come by; add one, or to the role's transports", id)
	case !found:
		more = fmt.Sprintf("%s has no %q in %s yet. Add it, then: turnpike reload\n\n%s\n", *o.file, id, where, more)
	}
	return more, nil
}

// places are where the configuration has what an application authenticates with.
var places = map[snippet.Kind]string{
	snippet.Shared: "credentials.shared_secrets", snippet.Static: "credentials.users", snippet.Issued: "issuer.api_keys",
}

// entry is what has to stand in the configuration. Each application is a tenant,
// so that users of the same name in two of them share nothing.
func (o *snippetOptions) entry(c *config.Config, app snippet.App, id, file, more string) string {
	if role := roleOf(c, "default").ID; role != "default" {
		more += "role: " + role + ", "
	}
	list := strings.TrimPrefix(places[app.Kind], "credentials.")
	return fmt.Sprintf("  turnpike secret new --out %[1]s\n\n  credentials:\n    %[2]s:\n      - {id: %[3]s, tenant: %[4]s, %[5]ssecret_file: %[1]s}\n",
		file, list, id, app.Name, more)
}

func (o *snippetOptions) shared(app snippet.App, id string, c *config.Config, server *snippet.Server) (found bool, more string) {
	all := c.Credentials.SharedSecrets
	i := slices.IndexFunc(all, func(s config.SharedSecret) bool { return s.ID == id })
	if i < 0 {
		file, rule := o.beside(id+".secret"), ""
		if app.NoUsers {
			rule = "id_rule: none, "
		}
		server.Secret, server.TTL = o.secret(file, "", ""), roleOf(c, "default").CredentialTTL
		return false, o.entry(c, app, id, file, rule)
	}
	s, role := all[i], roleOf(c, all[i].Role)
	most := role.MaxCredentialTTL
	if s.MaxTTL > 0 {
		most = min(most, s.MaxTTL)
	}
	server.Secret = o.secret(s.SecretFile, s.Secret.Text(), fmt.Sprintf("the secret of credentials.shared_secrets[%d]", i))
	server.TTL = min(role.CredentialTTL, most)
	server.TURN = within(server.TURN, role)
	if app.ReadsFile && server.Secret.File != "" {
		more += fmt.Sprintf("%s reads %s itself: make it the file of a group that it is in, with mode 0640.\n", app.Title, server.Secret.File)
	}
	if app.TTL > most {
		more += fmt.Sprintf("%s mints for %v, and %v is the most that max_ttl and the role %s allow: every client is refused. Raise it.\n",
			app.Title, app.TTL, most, role.ID)
	}
	if app.NoUsers && s.IDRule != "none" {
		more += fmt.Sprintf("The usernames of %s tell no user from another: give credentials.shared_secrets[%d] id_rule: none.\n", app.Title, i)
	}
	return true, more
}

func (o *snippetOptions) static(app snippet.App, id string, c *config.Config, server *snippet.Server) (found bool, more string) {
	all := c.Credentials.Users
	i := slices.IndexFunc(all, func(u config.User) bool { return u.ID == id })
	if i < 0 {
		file := o.beside(id + ".password")
		server.User, server.Secret = id, o.secret(file, "", "")
		return false, o.entry(c, app, id, file, "")
	}
	u, text := all[i], all[i].Secret.Text()
	if server.User = cmp.Or(u.Username, u.ID); u.KeyFile != "" {
		text = "" // what it holds is made of the password, and no password
		more = fmt.Sprintf("The password of credentials.users[%d] is not in the configuration, which has its key alone: put it in the place of the words.\n", i)
	}
	server.TURN = within(server.TURN, roleOf(c, u.Role))
	server.Secret = o.secret(u.SecretFile, text, fmt.Sprintf("the password of credentials.users[%d]", i))
	return true, more
}

func (o *snippetOptions) apiKey(app snippet.App, id string, c *config.Config, server *snippet.Server) (found bool, more string) {
	server.Secret.Text = "API-KEY" // the configuration has no more than its hash
	i := slices.IndexFunc(c.Issuer.APIKeys, func(k config.APIKey) bool { return k.ID == id })
	if i < 0 {
		more = fmt.Sprintf("  turnpike apikey new --id %s     # prints the key and the entry\n", id)
	} else {
		more = "In the place of API-KEY goes the key itself, of which the configuration has the hash alone.\n"
	}
	if app.QueryKey && (i < 0 || !c.Issuer.APIKeys[i].AllowQueryKey) {
		more += fmt.Sprintf("%s sends the key in the URL: give the entry allow_query_key: true.\n", app.Title)
	}
	return i >= 0, more
}

// secret is one as it may be shown: itself, or where it is.
func (o *snippetOptions) secret(file, text, place string) snippet.Secret {
	switch {
	case o.show && text != "":
		return snippet.Secret{Text: text}
	case file != "":
		return snippet.Secret{File: file, Text: "SECRET: what stands in " + file}
	}
	return snippet.Secret{Text: "SECRET: " + place}
}

// within are the URIs of the transports that a role may come by: the others are
// answered 403.
func within(uris []snippet.URI, role config.Role) []snippet.URI {
	return slices.DeleteFunc(uris, func(u snippet.URI) bool {
		return !slices.Contains(role.Transports, config.Transport(u.Protocol()))
	})
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

// issuerPort is the first of the issuer's listeners that is no unix socket.
func (s *settings) issuerPort() (e endpoint, at netip.AddrPort, found bool) {
	for _, e := range s.Issuer.Listen {
		if at, err := netip.ParseAddrPort(e.address); err == nil {
			e.secure = s.Issuer.Certificate != nil
			return e, at, true
		}
	}
	return e, at, false
}

// issuerURL is the base of the issuer's URLs, by the name that its certificate has.
// Where it listens on no port yet, it will be the usual one of host.
func (s *settings) issuerURL(host string) string {
	e, at, found := s.issuerPort()
	switch {
	case !found:
		return "https://" + net.JoinHostPort(host, strconv.Itoa(devIssuer))
	case e.secure && s.Issuer.Host != "":
		e.address = net.JoinHostPort(s.Issuer.Host, strconv.Itoa(int(at.Port())))
	}
	return e.String()
}

// issuerReach tells who can't ask the issuer.
func (s *settings) issuerReach() string {
	switch _, at, found := s.issuerPort(); {
	case !found:
		return "The issuer listens on no port yet: set issuer.listen.\n"
	case at.Addr().IsLoopback():
		return fmt.Sprintf("The issuer listens on %v, for this host alone: set issuer.listen for applications elsewhere.\n", at)
	}
	return ""
}
