package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// badConfigBase is what a file of the table has after its own text, but for the
// keys that stand there. LISTEN and OPERATOR are ports that the test holds.
var badConfigBase = []string{
	"version: 1",
	`listen: [{address: "127.0.0.1:LISTEN"}]`,
	"relay: {addresses: [{bind: 127.0.0.1}]}",
	"public_ip: 127.0.0.1",
	"credentials: {shared_secrets: [{id: app, secret_file: app.secret}]}",
	`operator: {listen: ["127.0.0.1:OPERATOR"]}`,
}

// badConfigs are files with all that must be said of them. DIR is their folder,
// LISTEN, ISSUER and OPERATOR are ports. A file that begins with # is whole.
var badConfigs = []struct {
	name, file string
	env        string
	mode       fs.FileMode // 0600 if 0
	want       string
}{
	{name: "empty file", file: "#\n",
		want: `turnpike.yaml:1:1: is empty; begin with version: 1; config.example.yaml has every key`},
	{name: "two documents", file: "#\nversion: 1\n---\nversion: 1\n",
		want: `turnpike.yaml:3:1: a second document begins; keep one document in the file`},
	{name: "unreadable file", mode: 0o200,
		want: `turnpike.yaml: can't be read: permission denied; give the path of a configuration file that this user may read`},
	{name: "missing version", file: "#\ncredentials: {shared_secrets: [{id: app, secret_file: app.secret}]}\n",
		want: `turnpike.yaml:1:1: version: is missing; add version: 1`},
	{name: "other version", file: "version: 2\n",
		want: `turnpike.yaml:1:10: version: is "2", which this turnpike does not read; give 1`},
	{name: "invalid YAML", file: "realm: \"x\npolicy: {mode: public}\n",
		want: `turnpike.yaml:1:1: YAML: did not find expected key; look at the indentation, the quotes and the brackets there`},
	{name: "tab", file: "relay:\n\tmin_port: 50000\n",
		want: `turnpike.yaml:2:1: YAML: found character that cannot start any token; indent with spaces, not tabs`},
	{name: "IPv6 address without quotes", file: "listen:\n  - address: [::]:3478\n",
		want: `turnpike.yaml:2:3: YAML: did not find expected node content; put an IPv6 address into quotes: "[::]:3478"`},
	{name: "unknown key", file: "relay:\n  addresses: [{bind: 127.0.0.1}]\n  min_prot: 50000\n",
		want: `turnpike.yaml:3:3: relay.min_prot: is not a key; did you mean min_port?`},
	{name: "key of another section", file: "min_port: 50000\n",
		want: `turnpike.yaml:1:1: min_port: is not a key; did you mean relay.min_port?`},
	{name: "duplicate key", file: "realm: a\nlog: {level: info}\nrealm: b\n",
		want: `turnpike.yaml:3:1: realm: is given twice, the first time in line 1; keep one of them`},
	{name: "anchor and alias", file: "policy:\n  allow: &nets [10.0.0.0/8]\n  deny: *nets\n",
		want: `turnpike.yaml:2:3: policy.allow: has a YAML anchor; take it away, aliases are not read
turnpike.yaml:3:3: policy.deny: is a YAML alias; write out what it stands for`},
	{name: "merge", file: "log: {<<: {level: info}}\n",
		want: `turnpike.yaml:1:7: log."<<": is a YAML merge; write out the keys it stands for`},
	{name: "text for a number", file: "relay: {min_port: \"50000\"}\n",
		want: `turnpike.yaml:1:19: relay.min_port: is a text; give a whole number from 1024 to 65535, without quotes`},
	{name: "number for a text", file: "realm: 17\n",
		want: `turnpike.yaml:1:8: realm: is a number; put it in quotes`},
	{name: "scalar for a list", file: "policy: {deny: 10.0.0.0/8}\n",
		want: `turnpike.yaml:1:16: policy.deny: is a text, not a list; write a list: [a, b], or a line with a dash for each entry, or [] for none`},
	{name: "scalar for a section", file: "drain: 5m\n",
		want: `turnpike.yaml:1:8: drain: is a text, not a section; put its keys below it, indented, each with a colon`},
	{name: "port out of range", file: "relay: {max_port: 65536}\n",
		want: `turnpike.yaml:1:19: relay.max_port: is "65536", out of range; give a whole number from 1024 to 65535`},
	{name: "duration out of range", file: "drain:\n  timeout: 1000h\n",
		want: `turnpike.yaml:2:12: drain.timeout: is "1000h", out of range; give a duration from 0s to 168h, such as 90s, 15m or 24h`},
	{name: "unknown choice", file: "log: {level: wran}\n",
		want: `turnpike.yaml:1:14: log.level: is "wran"; give one of debug, info, warn, error; did you mean warn?`},
	{name: "network with host bits", file: "policy:\n  allow:\n    - 10.1.2.3/8\n",
		want: `turnpike.yaml:3:7: policy.allow[0]: is "10.1.2.3/8", with bits set behind the length; write 10.0.0.0/8, or 10.1.2.3/32 for the one address`},
	{name: "bad network", file: "policy:\n  deny: [10.0.0.0/8, 10.0.0.0/33]\n",
		want: `turnpike.yaml:2:22: policy.deny[1]: is "10.0.0.0/33", no network; write ADDRESS/BITS, such as 10.1.0.0/16`},
	{name: "address without a port", file: "listen: [{address: 127.0.0.1}]\n",
		want: `turnpike.yaml:1:20: listen[0].address: is "127.0.0.1", no address with a port; write IP:PORT, such as 0.0.0.0:3478 or "[::]:3478"`},
	{name: "link-local listener", file: "listen: [{address: \"[fe80::1%eth0]:3478\"}]\n",
		want: `turnpike.yaml:1:20: listen[0].address: is "[fe80::1%eth0]:3478", a link-local address; give an address that others can reach`},

	{name: "sent in a circle", file: "redirect: {when: [draining], servers: [\"198.51.100.1:3478\", \"127.0.0.1:LISTEN\"]}\n",
		want: `turnpike.yaml:1:61: redirect.servers[1]: is 127.0.0.1:LISTEN, which this server listens on, so that clients would be sent in a circle; name another server, or take it out`},

	{name: "no credentials", file: "credentials: {}\n",
		want: `turnpike.yaml:1:1: credentials: has neither an issuer key nor a shared secret nor a user, so that nobody could authenticate; give one of issuer_keys, shared_secrets or users`},
	{name: "missing secret file", file: "credentials:\n  shared_secrets:\n    - {id: app, secret_file: nowhere/app.secret}\n",
		want: `turnpike.yaml:3:30: credentials.shared_secrets[0].secret_file: DIR/nowhere/app.secret can't be read: no such file or directory; give a file that this user may read`},
	{name: "unreadable secret file", file: "credentials:\n  shared_secrets:\n    - {id: app, secret_file: locked.secret}\n",
		want: `turnpike.yaml:3:30: credentials.shared_secrets[0].secret_file: DIR/locked.secret can't be read: permission denied; give a file that this user may read`},
	{name: "secret file that is a folder", file: "credentials:\n  shared_secrets:\n    - {id: app, secret_file: .}\n",
		want: `turnpike.yaml:3:30: credentials.shared_secrets[0].secret_file: DIR can't be read: it is not a regular file; give a file that this user may read`},
	{name: "secret file for everybody", file: "credentials:\n  shared_secrets:\n    - {id: app, secret_file: open.secret}\n",
		want: `turnpike.yaml:3:30: credentials.shared_secrets[0].secret_file: DIR/open.secret can be read or written by everybody (mode 0604); run chmod o= on it; a secret mounted into a container takes the mode 0440`},
	{name: "empty secret file", file: "credentials:\n  shared_secrets:\n    - {id: app, secret_file: empty.secret}\n",
		want: `turnpike.yaml:3:30: credentials.shared_secrets[0].secret_file: DIR/empty.secret is empty; write the value into it`},
	{name: "empty secret", file: "credentials:\n  shared_secrets:\n    - {id: app, secret: \"\"}\n",
		want: `turnpike.yaml:3:7: credentials.shared_secrets[0]: has no secret; give secret_file, or secret`},
	{name: "two line ends", file: "credentials:\n  shared_secrets:\n    - {id: app, secret_file: lines.secret}\n",
		want: `turnpike.yaml:3:30: credentials.shared_secrets[0].secret_file: auth: secret: contains white space or a control character; remove it, also a line end at the end of the file`},
	{name: "example secret", file: "credentials:\n  shared_secrets:\n    - {id: app, secret_file: example.secret}\n",
		want: `turnpike.yaml:3:30: credentials.shared_secrets[0].secret_file: auth: secret: easily guessed (repeated, too few different characters, or words from an example); generate one with: turnpike secret new`},
	{name: "short secret", file: "credentials:\n  shared_secrets:\n    - {id: app, secret: u7GwqZ2x}\n",
		want: `turnpike.yaml:3:25: credentials.shared_secrets[0].secret: auth: secret: 8 bytes, at least 16 are needed; generate one with: turnpike secret new`},
	{name: "short issuer key", file: "credentials:\n  issuer_keys:\n    - {id: k1, secret_file: short.key}\n",
		want: `turnpike.yaml:3:29: credentials.issuer_keys[0].secret_file: auth: secret: 31 bytes, at least 32 are needed; generate one with: turnpike secret new`},
	{name: "secret in a file for everybody", file: "credentials:\n  shared_secrets:\n    - {id: app, secret: Aiph3aeTh5ahw6Ja}\n", mode: 0o644,
		want: `turnpike.yaml:3:25: credentials.shared_secrets[0].secret: stands in a file that can be read or written by everybody; run chmod o= turnpike.yaml, or put the secret into a file of its own (secret_file)`},
	{name: "secret twice over", file: "credentials:\n  shared_secrets:\n    - {id: app, secret_file: app.secret, secret: Aiph3aeTh5ahw6Ja}\n",
		want: `turnpike.yaml:3:30: credentials.shared_secrets[0].secret_file: is given beside secret; keep one of the two`},
	{name: "same secret twice", file: "credentials:\n  issuer_keys: [{id: k1, secret_file: k1.key}]\n  shared_secrets:\n    - {id: app, secret_file: k1.key}\n",
		want: `turnpike.yaml:4:30: credentials.shared_secrets[0].secret_file: is the same secret as that of credentials.issuer_keys[0]; whoever holds one could sign for the other; generate a new one: turnpike secret new`},
	{name: "known issuer key", file: "credentials:\n  issuer_keys:\n    - {id: k1, secret: abcdefghijklmnopqrstuvwxyz0123456789}\n",
		want: `turnpike.yaml:3:24: credentials.issuer_keys[0].secret: auth: secret: easily guessed (repeated, too few different characters, or words from an example); generate one with: turnpike secret new`},
	{name: "issuer key for everybody", file: "credentials:\n  issuer_keys:\n    - {id: k1, secret_file: open.secret}\n",
		want: `turnpike.yaml:3:29: credentials.issuer_keys[0].secret_file: DIR/open.secret can be read or written by everybody (mode 0604); run chmod o= on it; a secret mounted into a container takes the mode 0440`},
	{name: "weak password of a user", file: "credentials:\n  users:\n    - {id: home, secret: homeassistant123}\n    - {id: bird, secret: hunter2}\n",
		want: "turnpike.yaml:3:26: credentials.users[0].secret: auth: secret: easily guessed (repeated, too few different characters, or words from an example); generate one with: turnpike secret new\nturnpike.yaml:4:26: credentials.users[1].secret: auth: secret: 7 bytes, at least 16 are needed; generate one with: turnpike secret new"},
	{name: "names of users", file: "credentials:\n  users:\n    - {id: a, username: \"alice:1795420800\", secret_file: app.secret}\n    - {id: \"17\", secret_file: k1.key}\n    - {id: c, username: ~k1, secret_file: k2.key}\n",
		want: "turnpike.yaml:3:25: credentials.users[0].username: auth: static user: the name has a colon, which ends the expiry or the user of a time-limited username; take it out\n" +
			"turnpike.yaml:4:12: credentials.users[1].id: auth: static user: the name is a number, as the expiry of a time-limited username is; add a letter\n" +
			"turnpike.yaml:5:25: credentials.users[2].username: auth: static user: the name begins with a tilde, as the claims of an issued username do; take it out"},
	{name: "no key of a user", file: "credentials:\n  users:\n    - {id: a, key_file: app.secret}\n",
		want: `turnpike.yaml:3:25: credentials.users[0].key_file: auth: key: not 0x and 32 hexadecimal digits; make it with: turnadmin -k -u USER -r REALM -p PASSWORD`},
	{name: "password that is a shared secret", file: "credentials:\n  shared_secrets: [{id: app, secret_file: app.secret}]\n  users:\n    - {id: a, secret_file: app.secret}\n",
		want: `turnpike.yaml:4:28: credentials.users[0].secret_file: is the same secret as that of credentials.shared_secrets[0]; whoever holds one could sign for the other; generate a new one: turnpike secret new`},
	{name: "bad expression for users", file: "credentials:\n  shared_secrets:\n    - {id: app, id_rule: regex, id_regex: alice, secret_file: app.secret}\n",
		want: `turnpike.yaml:3:43: credentials.shared_secrets[0].id_regex: auth: id rule: 0 groups; put the user, and nothing else, in parentheses; (?:...) is no group`},
	{name: "same id twice", file: "credentials:\n  issuer_keys: [{id: app, secret_file: k1.key}]\n  shared_secrets:\n    - {id: app, secret_file: app.secret}\n",
		want: `turnpike.yaml:4:12: credentials.shared_secrets[0].id: is "app", as credentials.issuer_keys[0].id is; give each its own id`},
	{name: "unknown role", file: "roles: [{id: default}, {id: guests}]\ncredentials:\n  shared_secrets:\n    - {id: app, role: guest, secret_file: app.secret}\n",
		want: `turnpike.yaml:4:23: credentials.shared_secrets[0].role: is "guest", and there is no such role; add it to roles, or name one of default, guests; did you mean guests?`},
	{name: "unknown issue_with", file: "credentials:\n  issue_with: k2\n  issuer_keys: [{id: k1, secret_file: k1.key}]\n",
		want: `turnpike.yaml:2:15: credentials.issue_with: is "k2", and no issuer key has that id; name one of issuer_keys; did you mean k1?`},
	{name: "which key to issue with", file: "credentials:\n  issuer_keys: [{id: k1, secret_file: k1.key}, {id: k2, secret_file: k2.key}]\n",
		want: `turnpike.yaml:1:1: credentials.issue_with: is missing, and there are 2 issuer keys; name the id of the newest`},
	{name: "short nonce key", file: "credentials:\n  shared_secrets: [{id: app, secret_file: app.secret}]\n  nonce_key_file: short.key\n",
		want: `turnpike.yaml:3:19: credentials.nonce_key_file: DIR/short.key has 31 bytes; write 32 random ones into it: head -c 32 /dev/urandom`},

	{name: "issuer without API keys", file: "issuer:\n  listen: [\"127.0.0.1:ISSUER\"]\ncredentials: {issuer_keys: [{id: k1, secret_file: k1.key}]}\n",
		want: `turnpike.yaml:2:3: issuer.listen: is given, and there are no API keys, so that nobody could ask; give issuer.api_keys, or issuer.listen: []`},
	{name: "API key without an issuer key", file: "issuer:\n  listen: [\"127.0.0.1:ISSUER\"]\n  api_keys: [{id: a, hash: \"sha256:HASH\"}]\n",
		want: `turnpike.yaml:3:3: issuer.api_keys: is given, and there are no issuer keys to sign with; give credentials.issuer_keys`},
	{name: "API key in place of its hash", file: "issuer:\n  api_keys: [{id: a, hash: tk_a_abcdefghijklmnop}]\n",
		want: `turnpike.yaml:2:28: issuer.api_keys[0].hash: is no hash; want sha256: and 64 hexadecimal digits; printf %s "$KEY" | sha256sum prints them`},
	{name: "plain issuer on a public address", file: "issuer:\n  listen: [\"0.0.0.0:ISSUER\"]\n  api_keys: [{id: a, hash: \"sha256:HASH\"}]\ncredentials: {issuer_keys: [{id: k1, secret_file: k1.key}]}\n",
		want: `turnpike.yaml:2:12: issuer.listen[0]: is 0.0.0.0:ISSUER, and without a certificate API keys and passwords would cross the network in the clear; give issuer.certificate_file and issuer.key_file, or acme.hosts, or listen on a loopback address or a unix socket`},
	{name: "bad URI", file: "issuer:\n  uris: [\"turn:turn.example.org\"]\n",
		want: `turnpike.yaml:2:10: issuer.uris[0]: is "turn:turn.example.org"; write turn:HOST:PORT?transport=udp or tcp, or turns:HOST:PORT?transport=tcp`},

	{name: "tls without a certificate", file: "listen:\n  - address: \"127.0.0.1:LISTEN\"\n    transports: [udp, tls]\n",
		want: `turnpike.yaml:3:5: listen[0].transports: has tls, and there is no certificate; give tls.certificate_file and tls.key_file, or acme.hosts, or take tls away`},
	{name: "certificate without a key", file: "tls:\n  certificate_file: cert.pem\n",
		want: `turnpike.yaml:2:21: tls.certificate_file: has no key to go with; give tls.key_file too`},
	{name: "missing certificate", file: "tls:\n  certificate_file: nowhere.pem\n  key_file: cert.key\n",
		want: `turnpike.yaml:2:21: tls.certificate_file: DIR/nowhere.pem can't be read: no such file or directory; give a file that this user may read`},
	{name: "key that does not fit", file: "tls:\n  certificate_file: cert.pem\n  key_file: other.key\n",
		want: `turnpike.yaml:3:13: tls.key_file: DIR/other.key: is not the key of DIR/cert.pem (CN=relay); give the key that this certificate was issued for`},
	{name: "expired certificate", file: "tls:\n  certificate_file: old.pem\n  key_file: old.key\n",
		want: `turnpike.yaml:2:21: tls.certificate_file: DIR/old.pem: expired on DATE; renew it`},
	{name: "key for everybody", file: "tls:\n  certificate_file: cert.pem\n  key_file: open.key\n",
		want: `turnpike.yaml:3:13: tls.key_file: DIR/open.key can be read or written by everybody (mode 0644); run chmod o= on it; a secret mounted into a container takes the mode 0440`},
	{name: "no PEM", file: "tls:\n  certificate_file: app.secret\n  key_file: cert.key\n",
		want: `turnpike.yaml:2:21: tls.certificate_file: DIR/app.secret: no CERTIFICATE block in it; give the certificate chain as PEM (openssl x509 -inform der turns DER into it)`},

	{name: "two listeners on one port", file: "listen:\n  - address: \"0.0.0.0:LISTEN\"\n  - address: \"127.0.0.1:LISTEN\"\n    transports: [tcp]\n",
		want: `turnpike.yaml:3:14: listen[1].address: listens where listen[0].address listens (tcp); give it another port, or list the address once`},
	{name: "issuer on a listener's port", file: "issuer:\n  listen: [\"127.0.0.1:LISTEN\"]\n  api_keys: [{id: a, hash: \"sha256:HASH\"}]\ncredentials: {issuer_keys: [{id: k1, secret_file: k1.key}]}\n",
		want: `turnpike.yaml:2:12: issuer.listen[0]: listens where listen[0].address listens (tcp); give it another port, or list the address once`},
	{name: "listener among the relay ports", file: "listen: [{address: \"127.0.0.1:50000\"}]\n",
		want: `turnpike.yaml:1:20: listen[0].address: is 127.0.0.1:50000, and 50000 is among the relay ports 49152 to 65535 of relay.addresses[0]; choose a port outside them, or change relay.min_port or relay.max_port`},
	{name: "relay ports exchanged", file: "relay:\n  addresses: [{bind: 127.0.0.1}]\n  min_port: 60000\n  max_port: 50000\n",
		want: `turnpike.yaml:3:13: relay.min_port: is 60000, above max_port (50000); lower it, or raise the other`},
	{name: "private address", file: "public_ip: auto\nrelay:\n  addresses:\n    - bind: 10.1.2.3\n",
		want: "turnpike.yaml:4:13: relay.addresses[0].bind: 10.1.2.3 is private and no public address is known: peers would be told an address that they can't reach; set public_ip (or `public` here) to the address that the internet sees, or list stun_servers to ask; where there is no internet, set public_ip to 10.1.2.3 itself"},
	{name: "IPv6 relay address without a public one", file: "relay:\n  addresses:\n    - bind: fd00::1\n",
		want: `turnpike.yaml:3:13: relay.addresses[0].bind: fd00::1 is private and no public address is known: peers would be told an address that they can't reach; ` +
			"set public_ip (or `public` here) to the address that the internet sees, or list stun_servers to ask; where there is no internet, set public_ip to fd00::1 itself"},
	{name: "address of two families", file: "relay:\n  addresses:\n    - bind: 127.0.0.1\n      public: 2001:db8::1\n",
		want: `turnpike.yaml:4:15: relay.addresses[0].public: is 2001:db8::1, and the bind address 127.0.0.1 is of the other family; give an address of the same family`},
	{name: "allow loopback", file: "policy:\n  allow: [10.0.0.0/8, 127.0.0.0/24]\n",
		want: `turnpike.yaml:2:23: policy.allow[1]: 127.0.0.0/24: within 127.0.0.0/8 (loopback, RFC 1122 §3.2.1.3), and no line opens loopback; remove the line`},
	{name: "allow cloud metadata", file: "policy:\n  allow:\n    - 169.254.169.254/32\n",
		want: `turnpike.yaml:3:7: policy.allow[0]: 169.254.169.254/32: within 169.254.0.0/16 (link-local, RFC 3927 §2.1), and no line opens link_local; remove the line`},

	{name: "variable of no key", env: "TURNPIKE_RELAY__MIN_PROT=50000",
		want: `TURNPIKE_RELAY__MIN_PROT: sets no key; did you mean TURNPIKE_RELAY__MIN_PORT?`},
	{name: "variable with a bad value", env: "TURNPIKE_DRAIN__TIMEOUT=soon",
		want: `TURNPIKE_DRAIN__TIMEOUT: drain.timeout: is "soon", no duration; give a duration from 0s to 168h, such as 90s, 15m or 24h`},
	{name: "variable with a missing file", env: "TURNPIKE_REALM__FILE=nowhere",
		want: `TURNPIKE_REALM__FILE: realm: DIR/nowhere can't be read: no such file or directory; give a file that this user may read`},

	{name: "several faults of the file", file: "realm: 17\nlisten:\n  - {address: \"127.0.0.1\", transports: [udp, dtls]}\npolicy: {deny: [10.0.0.1/8], mode: open}\ncredentials:\n  shared_secrets: [{id: a, secret_file: nowhere}, {id: b}]\n", env: "TURNPIKE_LOG__LEVEL=loud",
		want: `turnpike.yaml:1:8: realm: is a number; put it in quotes
turnpike.yaml:3:15: listen[0].address: is "127.0.0.1", no address with a port; write IP:PORT, such as 0.0.0.0:3478 or "[::]:3478"
turnpike.yaml:3:46: listen[0].transports[1]: is "dtls"; give one of udp, tcp, tls; did you mean tls?
turnpike.yaml:4:17: policy.deny[0]: is "10.0.0.1/8", with bits set behind the length; write 10.0.0.0/8, or 10.0.0.1/32 for the one address
turnpike.yaml:4:36: policy.mode: is "open"; give one of public, allowlist
turnpike.yaml:6:41: credentials.shared_secrets[0].secret_file: DIR/nowhere can't be read: no such file or directory; give a file that this user may read
turnpike.yaml:6:51: credentials.shared_secrets[1]: has no secret; give secret_file, or secret
TURNPIKE_LOG__LEVEL: log.level: is "loud"; give one of debug, info, warn, error`},
	{name: "several faults beyond the file", file: "public_ip: auto\nrelay: {addresses: [{bind: 10.1.2.3}, {bind: \"2001:db8::1\"}]}\npolicy: {allow: [127.0.0.0/8]}\ntls: {certificate_file: old.pem, key_file: other.key}\ncredentials:\n  shared_secrets: [{id: a, secret_file: example.secret}, {id: b, secret_file: app.secret}]\n",
		want: "turnpike.yaml:2:28: relay.addresses[0].bind: 10.1.2.3 is private and no public address is known: peers would be told an address that they can't reach; set public_ip (or `public` here) to the address that the internet sees, or list stun_servers to ask; where there is no internet, set public_ip to 10.1.2.3 itself\nturnpike.yaml:2:46: relay.addresses[1].bind: 2001:db8::1 is private and no public address is known: peers would be told an address that they can't reach; set public_ip (or `public` here) to the address that the internet sees, or list stun_servers to ask; where there is no internet, set public_ip to 2001:db8::1 itself\nturnpike.yaml:3:18: policy.allow[0]: 127.0.0.0/8: within 127.0.0.0/8 (loopback, RFC 1122 §3.2.1.3), and no line opens loopback; remove the line\nturnpike.yaml:4:25: tls.certificate_file: DIR/old.pem: expired on DATE; renew it\nturnpike.yaml:4:44: tls.key_file: DIR/other.key: is not the key of DIR/old.pem (CN=relay); give the key that this certificate was issued for\nturnpike.yaml:6:41: credentials.shared_secrets[0].secret_file: auth: secret: easily guessed (repeated, too few different characters, or words from an example); generate one with: turnpike secret new"},
}

// TestBadConfigs has the binary judge each file twice: check and serve refuse it
// in the same words, with the exit code that says so. All ports are taken: serve
// would complain of that, had it tried to open one.
func TestBadConfigs(t *testing.T) {
	bed := newBadConfigBed(t)
	for _, tt := range badConfigs {
		t.Run(strings.ReplaceAll(tt.name, " ", "_"), func(t *testing.T) {
			bed.write(t, tt.file, tt.mode)
			for _, command := range []string{"check", "serve"} {
				code, got := bed.run(t, command, tt.env)
				if code != exitConfig || got != "turnpike: "+tt.want {
					t.Errorf("%s: exit code %d, want %d\n got %s\nwant turnpike: %s", command, code, exitConfig, got, tt.want)
				}
			}
		})
	}
}

// This can fail: without a fault check has none to tell, and serve comes as far
// as the ports.
func TestBadConfigBaseIsGood(t *testing.T) {
	bed := newBadConfigBed(t)
	bed.write(t, "", 0)
	if code, got := bed.run(t, "check", ""); code != 0 || got != "relay address 127.0.0.1, public 127.0.0.1 (public_ip)\nturnpike.yaml: good" {
		t.Errorf("check: exit code %d\n%s", code, got)
	}
	if code, got := bed.run(t, "serve", ""); code != exitFailure || !strings.Contains(got, "address already in use") {
		t.Errorf("serve: exit code %d\n%s", code, got)
	}
}

var badConfigDate = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d UTC`)

// badConfigBed is a folder with everything that files of the table name.
type badConfigBed struct {
	dir    string
	words  *strings.Replacer // names to this run's values
	unword *strings.Replacer // and back
}

func newBadConfigBed(t *testing.T) *badConfigBed {
	t.Helper()
	dir := t.TempDir()
	strong := func() string {
		b := make([]byte, 48)
		rand.Read(b) // never fails
		return base64.StdEncoding.EncodeToString(b) + "\n"
	}
	for name, text := range map[string]string{
		"app.secret": strong(), "k1.key": strong(), "k2.key": strong(), "locked.secret": strong(), "open.secret": strong(),
		"short.key": strong()[:31], "lines.secret": strong() + "\n", "empty.secret": "",
		"example.secret": "replace-this-with-your-very-long-secret\n",
	} {
		badConfigCheck(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	for name, life := range map[string]time.Duration{"cert": time.Hour, "other": time.Hour, "open": time.Hour, "old": -time.Minute} {
		badConfigCheck(t, writeCertificate(filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key"), "127.0.0.1", time.Now().Add(life)))
	}
	badConfigCheck(t, os.Chmod(filepath.Join(dir, "locked.secret"), 0))
	badConfigCheck(t, os.Chmod(filepath.Join(dir, "open.secret"), 0o604))
	badConfigCheck(t, os.Chmod(filepath.Join(dir, "open.key"), 0o644))
	words := []string{"HASH", strings.Repeat("5e", 32)}
	for _, name := range []string{"LISTEN", "ISSUER", "OPERATOR"} {
		words = append(words, name, badConfigPort(t))
	}
	b := &badConfigBed{dir: dir, words: strings.NewReplacer(words...)}
	back := []string{dir, "DIR"}
	for i := 2; i < len(words); i += 2 {
		back = append(back, words[i+1], words[i])
	}
	b.unword = strings.NewReplacer(back...)
	return b
}

func badConfigCheck(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// badConfigPort holds a port of loopback, for UDP and TCP, until the test's end.
// It has five digits, so that columns do not move.
func badConfigPort(t *testing.T) string {
	t.Helper()
	for range 100 {
		tcp, err := net.Listen("tcp4", "127.0.0.1:0")
		badConfigCheck(t, err)
		udp, err := net.ListenPacket("udp4", tcp.Addr().String())
		port := tcp.Addr().(*net.TCPAddr).Port
		if err != nil || port < 10000 || port >= 49152 {
			tcp.Close()
			continue
		}
		t.Cleanup(func() { udp.Close(); tcp.Close() })
		return strconv.Itoa(port)
	}
	t.Fatal("no port is free for UDP and TCP")
	return ""
}

// write makes the configuration file.
func (b *badConfigBed) write(t *testing.T, file string, mode fs.FileMode) {
	t.Helper()
	if !strings.HasPrefix(file, "#") {
		own := "\n" + file
		for _, line := range badConfigBase {
			if key, _, _ := strings.Cut(line, ":"); !strings.Contains(own, "\n"+key+":") {
				file += line + "\n"
			}
		}
	}
	if mode == 0 {
		mode = 0o600
	}
	at := filepath.Join(b.dir, "turnpike.yaml")
	badConfigCheck(t, os.WriteFile(at, []byte(b.words.Replace(file)), mode))
	badConfigCheck(t, os.Chmod(at, mode))
}

// run runs a command of the binary on the file and returns what it said.
func (b *badConfigBed) run(t *testing.T, command, env string) (code int, said string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	args := []string{turnpike(t), command, "-c", "turnpike.yaml"}
	if os.Getuid() == 0 { // without root's right to read everything
		args = append([]string{"setpriv", "--bounding-set=-dac_override,-dac_read_search"}, args...)
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Env = b.dir, []string{env}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	said = b.unword.Replace(strings.TrimSuffix(out.String(), "\n"))
	return cmd.ProcessState.ExitCode(), badConfigDate.ReplaceAllLiteralString(said, "DATE")
}

// writeCertificate writes a self-signed pair for an address.
func writeCertificate(certFile, keyFile, address string, notAfter time.Time) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{Subject: pkix.Name{CommonName: "relay"}, NotBefore: notAfter.Add(-2 * time.Hour), NotAfter: notAfter, IPAddresses: []net.IP{net.ParseIP(address)}}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		return err
	}
	return os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), 0o644)
}
