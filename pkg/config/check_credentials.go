package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// defaultRole is the role of whoever names none.
const defaultRole = "default"

// idByRegex is the id_rule that id_regex goes with.
const idByRegex = "regex"

// checkCredentials leaves the strength of secrets to whoever uses them.
func (l *loader) checkCredentials(c *Config) {
	k := &c.Credentials
	ids := map[string]string{} // of all lists: records name them
	for i, key := range k.IssuerKeys {
		l.checkID(under(entry("credentials.issuer_keys", i), "id"), key.ID, ids)
	}
	for i, s := range k.SharedSecrets {
		path := entry("credentials.shared_secrets", i)
		l.checkID(under(path, "id"), s.ID, ids)
		l.checkTenant(under(path, "tenant"), s.Tenant)
		l.checkRole(under(path, "role"), s.Role, c.Roles)
		l.checkMinted(path, s, c.Roles)
	}
	for i, u := range k.Users {
		path := entry("credentials.users", i)
		l.checkID(under(path, "id"), u.ID, ids)
		l.checkTenant(under(path, "tenant"), u.Tenant)
		l.checkRole(under(path, "role"), u.Role, c.Roles)
	}
	l.checkUsers(k)
	if len(k.SharedSecrets) > maxShared {
		l.judge("credentials.shared_secrets", fmt.Sprintf("has %d entries", len(k.SharedSecrets)),
			fmt.Sprintf("keep %d or fewer, as each is tried for every wrong password", maxShared))
	}
	if len(k.IssuerKeys)+len(k.SharedSecrets)+len(k.Users) == 0 {
		l.judge("credentials", "has neither an issuer key nor a shared secret nor a user, so that nobody could authenticate",
			"give one of issuer_keys, shared_secrets or users")
	}
	l.checkIssueWith(k)
	l.checkPasswordAlgorithms(k.PasswordAlgorithms, c.Realm)
}

// checkMinted checks what bounds the usernames of a shared secret.
func (l *loader) checkMinted(path string, s SharedSecret, roles []Role) {
	ttl, rule, regex := under(path, "max_ttl"), under(path, "id_rule"), under(path, "id_regex")
	if s.MaxTTL%time.Second != 0 {
		l.judge(ttl, "is "+short(int64(s.MaxTTL)), "give whole seconds")
	}
	for _, r := range roles {
		if r.ID == s.Role && s.MaxTTL > r.MaxCredentialTTL {
			l.judge(ttl, "is "+short(int64(s.MaxTTL))+", above max_credential_ttl of the role "+r.ID+" ("+short(int64(r.MaxCredentialTTL))+")",
				"lower it, or raise the other", under(path, "role"), "roles")
		}
	}
	switch {
	case s.IDRule == idByRegex && s.IDRegex == "":
		l.judge(rule, "is regex, and there is none", `give id_regex, such as '^@([^:]+):'`, regex)
	case s.IDRule != idByRegex && s.IDRegex != "":
		l.judge(regex, "is given, and id_rule is "+s.IDRule, "give id_rule: regex, or take it away", rule)
	}
}

// checkUsers leaves the grammar of names to whoever uses them.
func (l *loader) checkUsers(k *Credentials) {
	first := map[string]int{}
	for i, u := range k.Users {
		path := entry("credentials.users", i)
		if j, taken := first[u.Username]; taken && u.Username != "" {
			l.judge(under(path, "username"), "is "+clip(u.Username)+", as that of "+entry("credentials.users", j)+" is", "give each user another name",
				under(path, "id"), under(entry("credentials.users", j), "id"))
			continue
		}
		first[u.Username] = i
		switch at := under(path, "key_file"); {
		case u.KeyFile == "":
		case !slices.Contains(k.PasswordAlgorithms, MD5):
			l.judge(at, "is given, and a key is for md5, which is not among the password algorithms", "give the password, or add md5",
				"credentials.password_algorithms")
		default:
			l.warn(at, "is a key, of which nobody can tell how weak its password is", "give the user a new password of 16 random characters or more")
		}
	}
}

// checkPasswordAlgorithms tells what sha256 costs. The password is at hand for
// every credential but the keys of users, so that it works with each.
func (l *loader) checkPasswordAlgorithms(list []PasswordAlgorithm, realm string) {
	const path = "credentials.password_algorithms"
	checkUnique(l, path, list)
	switch {
	case len(list) == 0:
		l.judge(path, "is empty, so that nobody could authenticate", "give [md5], or [sha256, md5]")
	case !slices.Contains(list, MD5):
		l.warn(path, "is without md5, so that clients older than RFC 8489 are refused, browsers among them", "give [sha256, md5] to serve both")
	}
	if slices.Contains(list, SHA256) {
		l.warn(path, fmt.Sprintf("has sha256, so that answers to forged requests are %.1f times as long as those", challengeGain(realm, len(list))),
			"keep [md5], unless there are clients of RFC 8489")
	}
}

// challengeGain is how many times longer than the smallest first request, of 28
// bytes, the 401 is that offers password algorithms: it has a header,
// ERROR-CODE, REALM, NONCE (29 bytes with its cookie) and PASSWORD-ALGORITHMS.
func challengeGain(realm string, algorithms int) float64 {
	return float64(20+8+4+(len(realm)+3)&^3+4+32+4+4*algorithms) / 28
}

func (l *loader) checkIssueWith(k *Credentials) {
	const path = "credentials.issue_with"
	switch {
	case k.IssueWith == "" && len(k.IssuerKeys) > 1:
		l.judge(path, fmt.Sprintf("is missing, and there are %d issuer keys", len(k.IssuerKeys)), "name the id of the newest")
	case k.IssueWith != "" && !slices.ContainsFunc(k.IssuerKeys, func(i IssuerKey) bool { return i.ID == k.IssueWith }):
		var ids []string
		for _, key := range k.IssuerKeys {
			ids = append(ids, key.ID)
		}
		l.judge(path, "is "+clip(k.IssueWith)+", and no issuer key has that id", "name one of issuer_keys"+suggestion(k.IssueWith, ids),
			"credentials.issuer_keys")
	}
}

func (l *loader) checkTenant(path, tenant string) {
	if tenant != "" && !isName(tenant) {
		l.judge(path, "is "+clip(tenant), fmt.Sprintf("give up to %d of A-Z a-z 0-9 _ -", maxName))
	}
}

func (l *loader) checkRole(path, role string, roles []Role) {
	var ids []string
	for _, r := range roles {
		ids = append(ids, r.ID)
	}
	if !slices.Contains(ids, role) {
		l.judge(path, "is "+clip(role)+", and there is no such role", "add it to roles, or name one of "+strings.Join(ids, ", ")+suggestion(role, ids), "roles")
	}
}

func (l *loader) checkIssuer(c *Config) {
	i := &c.Issuer
	if len(i.Listen) > 0 && len(i.APIKeys) == 0 {
		l.judge("issuer.listen", "is given, and there are no API keys, so that nobody could ask", "give issuer.api_keys, or issuer.listen: []", "issuer.api_keys")
	}
	if len(i.APIKeys) > 0 && len(c.Credentials.IssuerKeys) == 0 {
		l.judge("issuer.api_keys", "is given, and there are no issuer keys to sign with", "give credentials.issuer_keys", "credentials.issuer_keys")
	}
	plain := i.CertificateFile == "" && c.TLS.CertificateFile == "" && !c.ACME.On()
	for n, e := range i.Listen {
		if plain && e.TCP.IsValid() && !e.IsLoopback() {
			l.judge(entry("issuer.listen", n), "is "+e.String()+", and without a certificate API keys and passwords would cross the network in the clear",
				"give issuer.certificate_file and issuer.key_file, or acme.hosts, or listen on a loopback address or a unix socket",
				"issuer.certificate_file", "tls", "acme")
		}
	}
	if host := i.PublicHost; host != "" && !isHost(host) {
		l.judge("issuer.public_host", "is "+clip(host), "give a host name or an IP address, without a port")
	}
	if len(i.URIs) > maxURIs {
		l.judge("issuer.uris", fmt.Sprintf("has %d entries", len(i.URIs)), fmt.Sprintf("keep %d or fewer, as a client tries each", maxURIs))
	}
	for n, uri := range i.URIs {
		if !isTURN(uri) {
			l.judge(entry("issuer.uris", n), "is "+clip(uri), "write turn:HOST:PORT?transport=udp or tcp, or turns:HOST:PORT?transport=tcp")
		}
	}
	l.checkAPIKeys(c)
}

func (l *loader) checkAPIKeys(c *Config) {
	ids := map[string]string{}
	for i, key := range c.Issuer.APIKeys {
		path := entry("issuer.api_keys", i)
		l.checkID(under(path, "id"), key.ID, ids)
		l.checkTenant(under(path, "tenant"), key.Tenant)
		checkUnique(l, under(path, "roles"), key.Roles)
		for j, role := range key.Roles {
			l.checkRole(entry(under(path, "roles"), j), role, c.Roles)
		}
		if len(key.Roles) == 0 {
			l.checkRole(under(path, "roles"), defaultRole, c.Roles)
		}
		checkUnique(l, under(path, "origins"), key.Origins)
		for j, origin := range key.Origins {
			if !isOrigin(origin) {
				l.judge(entry(under(path, "origins"), j), "is "+clip(origin),
					"write https://HOST in lower case, with a port if it is not 443 and nothing behind it; there are no wildcards")
			}
		}
		if key.MaxTTL%time.Second != 0 {
			l.judge(under(path, "max_ttl"), "is "+short(int64(key.MaxTTL)), "give whole seconds")
		}
	}
}

func isHost(s string) bool {
	if addr, err := netip.ParseAddr(s); err == nil {
		return addr.Zone() == "" && !addr.IsUnspecified() && !addr.IsMulticast()
	}
	return isHostName(s)
}

// isOrigin takes an origin as browsers send it (RFC 6454 §6.1): it is compared as
// text.
func isOrigin(origin string) bool {
	host, found := strings.CutPrefix(origin, "https://")
	withPort := isHostPort(host) && !strings.HasSuffix(host, ":443")
	return found && origin == strings.ToLower(origin) && (withPort || isHostPort(host+":1"))
}

// isTURN takes URIs that leave nothing to a client's defaults: clients differ
// on the port of turns and on the transport (RFC 7065).
func isTURN(uri string) bool {
	scheme, rest, _ := strings.Cut(uri, ":")
	address, transport, _ := strings.Cut(rest, "?transport=")
	fits := scheme == "turn" && transport == "udp" || (scheme == "turn" || scheme == "turns") && transport == "tcp"
	return fits && isHostPort(address)
}
