package config

import (
	"fmt"
	"strings"
	"testing"
)

// badFiles are files with what must be said of them. Behind one that says
// nothing of credentials, shared is put.
var badFiles = []struct{ name, file, want string }{
	{"empty", "",
		`t.yaml:1:1: is empty; begin with version: 1; config.example.yaml has every key`},
	{"only a comment", "# nothing yet\n",
		`t.yaml:1:1: is empty; begin with version: 1; config.example.yaml has every key`},
	{"two documents", "version: 1\n---\nversion: 1\n",
		`t.yaml:2:1: a second document begins; keep one document in the file`},
	{"second document broken", "version: 1\n---\nrealm: \"x\n",
		`t.yaml:3:1: YAML: found unexpected end of stream; look at the indentation, the quotes and the brackets there`},
	{"tab", "version: 1\nrelay:\n\tmin_port: 50000\n",
		`t.yaml:3:1: YAML: found character that cannot start any token; indent with spaces, not tabs`},
	{"indentation", "version: 1\nrelay:\n  min_port: 50000\n max_port: 60000\n",
		`t.yaml:4:2: YAML: did not find expected key; look at the indentation, the quotes and the brackets there`},
	{"open quote", "version: 1\nrealm: \"x\nlog: {}\n",
		`t.yaml:2:1: YAML: found unexpected end of stream; look at the indentation, the quotes and the brackets there`},
	{"IPv6 without quotes", "version: 1\nlisten:\n  - address: [::]:3478\n",
		`t.yaml:3:3: YAML: did not find expected node content; put an IPv6 address into quotes: "[::]:3478"`},
	{"colon in a value", "version: 1\nrealm: a: b\n",
		`t.yaml:2:1: YAML: mapping values are not allowed in this context; put a value that holds a colon into quotes, and look at the indentation`},
	{"at sign", "version: 1\nrealm: @home\n",
		`t.yaml:2:1: YAML: found character that cannot start any token; put the value into quotes`},
	{"not UTF-8", "version: 1\nrealm: \xff\n",
		`t.yaml:2:1: YAML: invalid leading UTF-8 octet; look at the indentation, the quotes and the brackets there`},
	{"a list", "- version: 1\n",
		`t.yaml:1:1: is a list, not a section; put its keys below it, indented, each with a colon`},

	{"no version", "realm: x\ncredentials: {shared_secrets: [{id: a, secret: KEY}]}\n",
		`t.yaml:1:1: version: is missing; add version: 1`},
	{"unknown version", "version: 2\n",
		`t.yaml:1:10: version: is "2", which this turnpike does not read; give 1`},
	{"version in quotes", "version: \"1\"\n",
		`t.yaml:1:10: version: is a text; give 1, without quotes`},
	{"misspelt key", "version: 1\nrelay:\n  min_prot: 50000\n",
		`t.yaml:3:3: relay.min_prot: is not a key; did you mean min_port?`},
	{"key of another section", "version: 1\nmin_port: 50000\n",
		`t.yaml:2:1: min_port: is not a key; did you mean relay.min_port?`},
	{"unknown key", "version: 1\ntls: {ciphers: [a]}\n",
		`t.yaml:2:7: tls.ciphers: is not a key; the keys here are certificate_file, key_file, profile, min_version`},
	{"key in capitals", "version: 1\nRealm: x\n",
		`t.yaml:2:1: Realm: is not a key; did you mean realm?`},
	{"key given twice", "version: 1\nrealm: a\nlog:\n  level: info\nrealm: b\n",
		`t.yaml:5:1: realm: is given twice, the first time in line 2; keep one of them`},
	{"key that is no text", "version: 1\nlog:\n  1: info\n",
		`t.yaml:3:3: log.1: is not a key; the keys here are level, format`},
	{"alias", "version: 1\nrelay: {min_port: &p 50000, max_port: *p}\n",
		`t.yaml:2:19: relay.min_port: has a YAML anchor; take it away, aliases are not read
t.yaml:2:29: relay.max_port: is a YAML alias; write out what it stands for`},
	{"merge", "version: 1\nlog:\n  <<: {level: info}\n",
		`t.yaml:3:3: log."<<": is a YAML merge; write out the keys it stands for`},
	{"no value", "version: 1\nrealm:\n",
		`t.yaml:2:1: realm: is without a value; give text`},
	{"no section", "version: 1\npolicy:\nlog: {}\n",
		`t.yaml:2:1: policy: is without a value, not a section; put its keys below it, indented, each with a colon`},
	{"scalar for a section", "version: 1\ndrain: 5m\n",
		`t.yaml:2:8: drain: is a text, not a section; put its keys below it, indented, each with a colon`},
	{"scalar for a list", "version: 1\npolicy:\n  deny: 10.0.0.0/8\n",
		`t.yaml:3:9: policy.deny: is a text, not a list; write a list: [a, b], or a line with a dash for each entry, or [] for none`},
	{"mapping for a list", "version: 1\nroles:\n  id: x\n",
		`t.yaml:2:1: roles: is a section, not a list; write a list: [a, b], or a line with a dash for each entry, or [] for none`},
	{"list for a scalar", "version: 1\nrealm: [a]\n",
		`t.yaml:2:1: realm: is a list; give text`},
	{"scalar for an entry", "version: 1\nroles: [default]\n",
		`t.yaml:2:9: roles[0]: is a text, not a section; put its keys below it, indented, each with a colon`},
	{"number for a text", "version: 1\nrealm: 17\n",
		`t.yaml:2:8: realm: is a number; put it in quotes`},
	{"float for a text", "version: 1\ntls:\n  min_version: 1.2\n",
		`t.yaml:3:16: tls.min_version: is a number; put it in quotes`},
	{"text for a number", "version: 1\nrelay:\n  min_port: \"50000\"\n",
		`t.yaml:3:13: relay.min_port: is a text; give a whole number from 1024 to 65535, without quotes`},
	{"fraction", "version: 1\nrelay:\n  min_port: 5e4\n",
		`t.yaml:3:13: relay.min_port: is "5e4", no whole number in digits; give a whole number from 1024 to 65535`},
	{"text for a yes or no", "version: 1\nroles:\n  - {id: a, relay_only: yes}\n",
		`t.yaml:3:25: roles[0].relay_only: is a text; write true or false, without quotes`},
	{"number for a duration", "version: 1\ndrain:\n  timeout: 60\n",
		`t.yaml:3:12: drain.timeout: is a number; give a duration from 0s to 168h, such as 90s, 15m or 24h`},
	{"yes or no for a text", "version: 1\nrealm: true\n",
		`t.yaml:2:8: realm: is true or false; put it in quotes`},
	{"date for a text", "version: 1\nrealm: 2026-11-24\n",
		`t.yaml:2:8: realm: is a date; put it in quotes`},
	{"key that is a list", "version: 1\nlog:\n  ? [a]\n  : b\n",
		`t.yaml:3:5: log.?: is not a key; the keys here are level, format`},
	{"anchor of a section", "version: 1\nlog: &l\n  level: info\n",
		`t.yaml:2:1: log: has a YAML anchor; take it away, aliases are not read`},
	{"anchor of a list", "version: 1\npolicy: {deny: &l [10.0.0.0/8], allow: *l}\n",
		"t.yaml:2:10: policy.deny: has a YAML anchor; take it away, aliases are not read\n" +
			"t.yaml:2:33: policy.allow: is a YAML alias; write out what it stands for"},
	{"anchor of a key", "version: 1\n&r realm: x\n",
		`t.yaml:2:1: realm: has a YAML anchor; take it away, aliases are not read`},
	{"long text", "version: 1\nlog: {level: " + strings.Repeat("x", 300) + "}\n",
		`t.yaml:2:14: log.level: is "` + strings.Repeat("x", 64) + `"...; give one of debug, info, warn, error`},
	{"long key", "version: 1\nlog: {" + strings.Repeat("x", 300) + ": info}\n",
		`t.yaml:2:7: log."` + strings.Repeat("x", 64) + `"...: is not a key; the keys here are level, format`},
	{"open bracket in a long file, where the parser gave up", "version: 1\n" + strings.Repeat("# filler\n", 4000) + "log: {level: info\n",
		`t.yaml:4001:1: YAML: did not find expected ',' or '}'; look at the indentation, the quotes and the brackets there`},
	{"no address", "version: 1\npublic_ip: turn.example.org\n",
		`t.yaml:2:12: public_ip: is "turn.example.org", no address; give IP or auto`},
	{"no network", "version: 1\npolicy: {deny: [all]}\n",
		`t.yaml:2:17: policy.deny[0]: is "all", no network; write ADDRESS/BITS, FROM-TO, an address or a preset (special-purpose, cloud-metadata, transition, rfc1918, local-routes, self)`},
	{"bad listeners side by side", "version: 1\nlisten: [{address: x}, {address: x}]\n",
		"t.yaml:2:20: listen[0].address: is \"x\", no address with a port; write IP:PORT, such as 0.0.0.0:3478 or \"[::]:3478\"\n" +
			"t.yaml:2:34: listen[1].address: is \"x\", no address with a port; write IP:PORT, such as 0.0.0.0:3478 or \"[::]:3478\""},
	{"binary", "version: 1\nrealm: !!binary eA==\n",
		`t.yaml:2:8: realm: is of another YAML type; put it in quotes`},
	{"tag of a section", "version: 1\nlog: !x {level: info}\n",
		`t.yaml:2:1: log: has a YAML tag; take it away, nothing reads it`},
	{"tag of a list", "version: 1\npolicy: {deny: !x [10.0.0.0/8]}\n",
		`t.yaml:2:10: policy.deny: has a YAML tag; take it away, nothing reads it`},
	{"tag of a key", "version: 1\n!x realm: y\n",
		`t.yaml:2:1: realm: has a YAML tag; take it away, nothing reads it`},
	{"port of another service", "version: 1\nrelay: {min_port: 1023}\n",
		`t.yaml:2:19: relay.min_port: is "1023", out of range; give a whole number from 1024 to 65535`},
	{"behind a bad entry", "version: 1\nlisten: [{transports: [dtls, udp, udp]}]\n",
		"t.yaml:2:24: listen[0].transports[0]: is \"dtls\"; give one of udp, tcp, tls; did you mean tls?\n" +
			"t.yaml:2:35: listen[0].transports[2]: is \"udp\" once more; list it once"},
	{"strange tag", "version: 1\nrealm: !secret x\n",
		`t.yaml:2:8: realm: has a YAML tag; take it away, nothing reads it`},

	{"port out of range", "version: 1\nrelay: {min_port: 70000}\n",
		`t.yaml:2:19: relay.min_port: is "70000", out of range; give a whole number from 1024 to 65535`},
	{"beyond any number", "version: 1\nroles:\n  - {id: a, bytes_per_day: 99999999999999999999}\n",
		`t.yaml:3:28: roles[0].bytes_per_day: is "99999999999999999999", out of range; give a whole number from 0 to 9223372036854775807`},
	{"duration too long", "version: 1\ndrain: {timeout: 1000h}\n",
		`t.yaml:2:18: drain.timeout: is "1000h", out of range; give a duration from 0s to 168h, such as 90s, 15m or 24h`},
	{"duration too short", "version: 1\nstreams: {write_timeout: 10ms}\n",
		`t.yaml:2:26: streams.write_timeout: is "10ms", out of range; give a duration from 1s to 5m, such as 90s, 15m or 24h`},
	{"no duration", "version: 1\ndrain: {timeout: 1 day}\n",
		`t.yaml:2:18: drain.timeout: is "1 day", no duration; give a duration from 0s to 168h, such as 90s, 15m or 24h`},
	{"unknown choice", "version: 1\nlog: {level: wran}\n",
		`t.yaml:2:14: log.level: is "wran"; give one of debug, info, warn, error; did you mean warn?`},
	{"unknown transport", "version: 1\nlisten: [{transports: [udp, dtls]}]\n",
		`t.yaml:2:29: listen[0].transports[1]: is "dtls"; give one of udp, tcp, tls; did you mean tls?`},
	{"bad network", "version: 1\npolicy: {deny: [10.0.0.0/33]}\n",
		`t.yaml:2:17: policy.deny[0]: is "10.0.0.0/33", no network; write ADDRESS/BITS, such as 10.1.0.0/16`},
	{"network with host bits", "version: 1\npolicy:\n  allow:\n    - 10.0.0.1/8\n",
		`t.yaml:4:7: policy.allow[0]: is "10.0.0.1/8", with bits set behind the length; write 10.0.0.0/8, or 10.0.0.1/32 for the one address`},
	{"network of one address", "version: 1\nlisten: [{proxy_protocol_from: [10.0.0.1]}]\n",
		`t.yaml:2:33: listen[0].proxy_protocol_from[0]: is "10.0.0.1", an address without a length; write 10.0.0.1/32 for the one address`},
	{"mapped network", "version: 1\npolicy: {allow: [\"::ffff:10.0.0.0/104\"]}\n",
		`t.yaml:2:18: policy.allow[0]: is "::ffff:10.0.0.0/104", an IPv4-mapped network; write 10.0.0.0/8, mapped addresses are judged as IPv4`},
	{"address without a port", "version: 1\nlisten: [{address: 192.0.2.1}]\n",
		`t.yaml:2:20: listen[0].address: is "192.0.2.1", no address with a port; write IP:PORT, such as 0.0.0.0:3478 or "[::]:3478"`},
	{"port 0", "version: 1\nlisten: [{address: \"192.0.2.1:0\"}]\n",
		`t.yaml:2:20: listen[0].address: is "192.0.2.1:0", and port 0 is none; give a port from 1 to 65535`},
	{"host name", "version: 1\nlisten: [{address: \"localhost:3478\"}]\n",
		`t.yaml:2:20: listen[0].address: is "localhost:3478", no address with a port; write IP:PORT, such as 0.0.0.0:3478 or "[::]:3478"`},
	{"link-local", "version: 1\nlisten: [{address: \"[fe80::1%eth0]:3478\"}]\n",
		`t.yaml:2:20: listen[0].address: is "[fe80::1%eth0]:3478", a link-local address; give an address that others can reach`},
	{"mapped address", "version: 1\npublic_ip: \"::ffff:192.0.2.1\"\n",
		`t.yaml:2:12: public_ip: is "::ffff:192.0.2.1", an IPv4 address in IPv6 form; write 192.0.2.1`},
	{"multicast", "version: 1\npublic_ip: 224.0.0.1\n",
		`t.yaml:2:12: public_ip: is "224.0.0.1", the address of many hosts; give the address of one`},
	{"relay wildcard", "version: 1\nrelay: {addresses: [{bind: 0.0.0.0}]}\n",
		`t.yaml:2:28: relay.addresses[0].bind: is "0.0.0.0", every address at once; give a single IP or auto`},
	{"unix socket, relative", "version: 1\noperator: {listen: [\"unix:run/x\"]}\n",
		`t.yaml:2:21: operator.listen[0]: is "unix:run/x", no absolute path; write unix:/path`},
	{"unix socket with a path too long", "version: 1\noperator: {listen: [\"unix:/" + strings.Repeat("x", 107) + "\"]}\n",
		`t.yaml:2:21: operator.listen[0]: is "unix:/` + strings.Repeat("x", 58) + `"..., a path of 108 bytes; choose one of 107 or fewer, the system has no room for more`},
	{"unix socket with a NUL", "version: 1\noperator: {listen: [\"unix:/run/\\0\"]}\n",
		`t.yaml:2:21: operator.listen[0]: is "unix:/run/\x00", no absolute path; write unix:/path`},
	{"stun server", "version: 1\nstun_servers: [\"stun:stun.example.org\"]\n",
		`t.yaml:2:16: stun_servers[0]: is "stun:stun.example.org"; write HOST:PORT, an IPv6 address in brackets`},

	{"realm", "version: 1\nrealm: \"a\\\"b\"\n",
		`t.yaml:2:8: realm: is "a\"b"; give 1 to 127 printable ASCII characters without quote and backslash`},
	{"no listener", "version: 1\nlisten: []\n",
		`t.yaml:2:1: listen: is empty; list one address at least`},
	{"no transport", "version: 1\nlisten: [{transports: []}]\n",
		`t.yaml:2:11: listen[0].transports: is empty; give one or more of udp, tcp, tls`},
	{"transport twice", "version: 1\nlisten: [{transports: [udp, udp]}]\n",
		`t.yaml:2:29: listen[0].transports[1]: is "udp" once more; list it once`},
	{"tls without a certificate", "version: 1\nlisten:\n  - transports: [tls]\n",
		`t.yaml:3:5: listen[0].transports: has tls, and there is no certificate; give tls.certificate_file and tls.key_file, or acme.hosts, or take tls away`},
	{"old version of high security", "version: 1\ntls: {profile: high-security, min_version: \"1.2\"}\n",
		`t.yaml:2:44: tls.min_version: is 1.2, and the profile high-security is TLS 1.3 alone; take it away, or give tls.profile: default`},
	{"terms not accepted", "version: 1\nlisten: [{transports: [tls]}]\nacme: {hosts: [turn.example.org]}\n",
		`t.yaml:3:1: acme.accept_terms: is false, and no authority certifies anything before its terms of service are agreed to; read them (the directory links to them) and write accept_terms: true`},
	{"hosts of acme", "version: 1\nlisten: [{transports: [tls]}]\nacme: {accept_terms: true, hosts: [\"*.example.org\", 192.0.2.1, \"a.example:443\", b.example, B.Example]}\n",
		`t.yaml:3:36: acme.hosts[0]: is "*.example.org"; give the host name that clients connect to; no authority certifies an address, a wildcard or a port this way
t.yaml:3:53: acme.hosts[1]: is "192.0.2.1"; give the host name that clients connect to; no authority certifies an address, a wildcard or a port this way
t.yaml:3:64: acme.hosts[2]: is "a.example:443"; give the host name that clients connect to; no authority certifies an address, a wildcard or a port this way
t.yaml:3:92: acme.hosts[4]: is "b.example" once more; list it once`},
	{"authority of acme", "version: 1\nlisten: [{transports: [tls]}]\nacme: {accept_terms: true, hosts: [a.example], email: root, directory_url: \"http://ca.example/dir\"}\n",
		`t.yaml:3:55: acme.email: is "root"; give an address such as admin@example.org, or none
t.yaml:3:76: acme.directory_url: is "http://ca.example/dir"; give the https URL of the authority's directory (RFC 8555 §7.1.1)`},
	{"acme for nobody", "version: 1\nacme: {accept_terms: true, hosts: [a.example]}\n",
		`t.yaml:2:28: acme.hosts: is given, and no listener would use a certificate; add tls to the transports of one, or take the hosts away`},
	{"PROXY over UDP", "version: 1\nlisten:\n  - transports: [udp]\n    proxy_protocol_from: [192.0.2.0/24]\n",
		`t.yaml:4:5: listen[0].proxy_protocol_from: is for TCP and TLS, and this listener has neither; take it away, or add tcp or tls to the transports`},
	{"ports exchanged", "version: 1\nrelay: {min_port: 60000, max_port: 50000}\n",
		`t.yaml:2:19: relay.min_port: is 60000, above max_port (50000); lower it, or raise the other`},
	{"no relay address", "version: 1\nrelay: {addresses: []}\n",
		`t.yaml:2:9: relay.addresses: is empty; list one address at least: [{bind: auto}]`},
	{"relay address twice", "version: 1\nrelay: {addresses: [{bind: 192.0.2.1}, {bind: 192.0.2.1}]}\n",
		`t.yaml:2:47: relay.addresses[1].bind: is 192.0.2.1, as that of entry 0; list each address once`},
	{"other family", "version: 1\nrelay: {addresses: [{bind: 192.0.2.1, public: \"2001:db8::1\"}]}\n",
		`t.yaml:2:47: relay.addresses[0].public: is 2001:db8::1, and the bind address 192.0.2.1 is of the other family; give an address of the same family`},
	{"more an IP than at all", "version: 1\nstreams: {max_connections: 10, max_connections_per_ip: 11}\n",
		`t.yaml:2:56: streams.max_connections_per_ip: is 11, above max_connections (10); lower it, or raise the other`},
	{"first message after authentication", "version: 1\nstreams: {first_message_timeout: 2m}\n",
		`t.yaml:2:34: streams.first_message_timeout: is 2m, above authentication_timeout (30s); lower it, or raise the other`},

	{"listener twice", "version: 1\nlisten:\n  - address: 192.0.2.1:3478\n  - address: 192.0.2.1:3478\n    transports: [udp]\n",
		`t.yaml:4:14: listen[1].address: listens where listen[0].address listens (udp); give it another port, or list the address once`},
	{"listener and wildcard", "version: 1\nlisten:\n  - address: 192.0.2.1:3478\n    transports: [tcp]\n  - address: 0.0.0.0:3478\n    transports: [tcp]\n",
		`t.yaml:5:14: listen[1].address: listens where listen[0].address listens (tcp); give it another port, or list the address once`},
	{"listener and operator", "version: 1\nlisten: [{address: \"0.0.0.0:3481\", transports: [tcp]}]\n",
		`t.yaml:2:20: listen[0].address: listens where operator.listen[0] listens (tcp); give it another port, or list the address once`},
	{"unix socket twice", "version: 1\noperator: {listen: [\"unix:/run/x\", \"unix:/run/x\"]}\n",
		`t.yaml:2:36: operator.listen[1]: listens where operator.listen[0] listens (unix); give it another port, or list the address once`},
	{"UDP among the relay ports", "version: 1\nlisten: [{address: \"0.0.0.0:50000\"}]\n",
		`t.yaml:2:20: listen[0].address: is 0.0.0.0:50000, and 50000 is among the relay ports 49152 to 65535 of relay.addresses[0]; choose a port outside them, or change relay.min_port or relay.max_port`},
	{"UDP among the relay ports of its address", "version: 1\nlisten: [{address: \"192.0.2.1:50000\"}]\nrelay: {addresses: [{bind: 192.0.2.1}]}\n",
		`t.yaml:2:20: listen[0].address: is 192.0.2.1:50000, and 50000 is among the relay ports 49152 to 65535 of relay.addresses[0]; choose a port outside them, or change relay.min_port or relay.max_port`},

	{"sent nowhere", "version: 1\nredirect: {when: [draining]}\n",
		`t.yaml:2:12: redirect.when: is given, and there is no server to send clients to; give redirect.servers, or redirect.when: []`},
	{"never sent", "version: 1\nredirect: {servers: [\"198.51.100.1:3478\"]}\n",
		`t.yaml:2:12: redirect.servers: is given, and clients are never sent there; give redirect.when, such as [draining]`},
	{"sent when", "version: 1\nredirect: {when: [drain], servers: [\"198.51.100.1:3478\"]}\n",
		`t.yaml:2:19: redirect.when[0]: is "drain"; give one of draining, full, always`},
	{"sent to everywhere", "version: 1\nredirect: {when: [full, full], servers: [\"0.0.0.0:3478\", \"198.51.100.1:3478\", \"198.51.100.1:3478\"], domain: a_b}\n",
		`t.yaml:2:25: redirect.when[1]: is "full" once more; list it once
t.yaml:2:42: redirect.servers[0]: is 0.0.0.0:3478, no address of one server; give the address that clients reach it at
t.yaml:2:79: redirect.servers[2]: is 198.51.100.1:3478, as entry 1 is; list each server once
t.yaml:2:109: redirect.domain: is "a_b"; give the host name that the certificates of those servers are for`},
	{"sent to a name", "version: 1\nredirect: {when: [full], servers: [\"turn.example.org:3478\"]}\n",
		`t.yaml:2:36: redirect.servers[0]: is "turn.example.org:3478", no address with a port; write IP:PORT, such as 0.0.0.0:3478 or "[::]:3478"`},

	{"role twice", "version: 1\nroles:\n  - id: a\n  - id: default\n  - id: a\n",
		`t.yaml:5:9: roles[2].id: is "a", as roles[0].id is; give each its own id`},
	{"role without a name", "version: 1\nroles:\n  - idle: 5m\n",
		`t.yaml:3:5: roles[0].id: is missing; add id: name`},
	{"role's name", "version: 1\nroles: [{id: default}, {id: a.b}]\n",
		`t.yaml:2:29: roles[1].id: is "a.b"; give 1 to 32 of A-Z a-z 0-9 _ -`},
	{"TTL above the cap", "version: 1\nroles: [{id: default, credential_ttl: 72h}]\n",
		`t.yaml:2:39: roles[0].credential_ttl: is 72h, above max_credential_ttl (48h); lower it, or raise the other`},
	{"hardly a session", "version: 1\nroles: [{id: default, max_session: 5ms}]\n",
		`t.yaml:2:36: roles[0].max_session: is 5ms; give 1s or more, or 0s for no limit`},

	{"no credentials", "version: 1\ncredentials: {}\n",
		`t.yaml:2:1: credentials: has neither an issuer key nor a shared secret nor a user, so that nobody could authenticate; give one of issuer_keys, shared_secrets or users`},
	{"no password algorithm", "version: 1\ncredentials: {password_algorithms: [], shared_secrets: [{id: app, secret: KEY}]}\n",
		`t.yaml:2:15: credentials.password_algorithms: is empty, so that nobody could authenticate; give [md5], or [sha256, md5]`},
	{"password algorithm twice", "version: 1\ncredentials: {password_algorithms: [md5, md5], shared_secrets: [{id: app, secret: KEY}]}\n",
		`t.yaml:2:42: credentials.password_algorithms[1]: is "md5" once more; list it once`},
	{"unknown password algorithm", "version: 1\ncredentials: {password_algorithms: [sha-256], shared_secrets: [{id: app, secret: KEY}]}\n",
		`t.yaml:2:37: credentials.password_algorithms[0]: is "sha-256"; give one of md5, sha256; did you mean sha256?`},
	{"no secret", "version: 1\ncredentials:\n  shared_secrets:\n    - id: app\n",
		`t.yaml:4:7: credentials.shared_secrets[0]: has no secret; give secret_file, or secret`},
	{"empty secret", "version: 1\ncredentials: {shared_secrets: [{id: app, secret: \"\"}]}\n",
		`t.yaml:2:32: credentials.shared_secrets[0]: has no secret; give secret_file, or secret`},
	{"both secrets", "version: 1\ncredentials: {shared_secrets: [{id: app, secret: KEY, secret_file: s}]}\n",
		`t.yaml:2:104: credentials.shared_secrets[0].secret_file: is given beside secret; keep one of the two`},
	{"secret that is a number", "version: 1\ncredentials: {shared_secrets: [{id: app, secret: 12345678901234567}]}\n",
		`t.yaml:2:50: credentials.shared_secrets[0].secret: is a number; put it in quotes`},
	{"stand-in", "version: 1\ncredentials: {shared_secrets: [{id: app, secret: \"[redacted]\"}]}\n",
		`t.yaml:2:50: credentials.shared_secrets[0].secret: is the stand-in of a printed configuration; give the secret itself`},
	{"id of both lists", "version: 1\ncredentials: {issuer_keys: [{id: k1, secret: KEY}], shared_secrets: [{id: k1, secret: KEY}]}\n",
		`t.yaml:2:111: credentials.shared_secrets[0].id: is "k1", as credentials.issuer_keys[0].id is; give each its own id`},
	{"unknown role", "version: 1\nroles: [{id: default}, {id: guests}]\ncredentials: {shared_secrets: [{id: a, role: guest, secret: KEY}]}\n",
		`t.yaml:3:46: credentials.shared_secrets[0].role: is "guest", and there is no such role; add it to roles, or name one of default, guests; did you mean guests?`},
	{"no default role", "version: 1\nroles: [{id: guests}]\ncredentials: {shared_secrets: [{id: a, secret: KEY}]}\n",
		`t.yaml:3:32: credentials.shared_secrets[0].role: is "default", and there is no such role; add it to roles, or name one of guests`},
	{"tenant", "version: 1\ncredentials: {shared_secrets: [{id: a, tenant: \"a b\", secret: KEY}]}\n",
		`t.yaml:2:48: credentials.shared_secrets[0].tenant: is "a b"; give up to 32 of A-Z a-z 0-9 _ -`},
	{"which key", "version: 1\ncredentials:\n  issuer_keys: [{id: a, secret: KEY}, {id: b, secret: KEY}]\n",
		`t.yaml:2:1: credentials.issue_with: is missing, and there are 2 issuer keys; name the id of the newest`},
	{"no such key", "version: 1\ncredentials: {issuer_keys: [{id: k1, secret: KEY}], issue_with: k2}\n",
		`t.yaml:2:101: credentials.issue_with: is "k2", and no issuer key has that id; name one of issuer_keys; did you mean k1?`},
	{"nine secrets", "version: 1\ncredentials: {shared_secrets: [" + nine() + "]}\n",
		`t.yaml:2:15: credentials.shared_secrets: has 9 entries; keep 8 or fewer, as each is tried for every wrong password`},

	{"issuer without API keys", "version: 1\nissuer: {listen: [\"127.0.0.1:3480\"]}\n",
		`t.yaml:2:10: issuer.listen: is given, and there are no API keys, so that nobody could ask; give issuer.api_keys, or issuer.listen: []`},
	{"issuer without issuer keys", "version: 1\nissuer: {api_keys: [{id: a, hash: HASH}]}\n",
		`t.yaml:2:10: issuer.api_keys: is given, and there are no issuer keys to sign with; give credentials.issuer_keys`},
	{"hash", "version: 1\ncredentials: {issuer_keys: [{id: k1, secret: KEY}]}\nissuer: {api_keys: [{id: a, hash: tk_a_secretsecretsecretsecretsecretsecretsecretse}]}\n",
		`t.yaml:3:35: issuer.api_keys[0].hash: is no hash; want sha256: and 64 hexadecimal digits; printf %s "$KEY" | sha256sum prints them`},
	{"hash of other letters", "version: 1\nissuer: {api_keys: [{id: a, hash: \"sha256:" + strings.Repeat("xy", 32) + "\"}]}\n",
		`t.yaml:2:35: issuer.api_keys[0].hash: is no hash; want sha256: and 64 hexadecimal digits; printf %s "$KEY" | sha256sum prints them`},
	{"hash of nothing", "version: 1\nissuer: {api_keys: [{id: a, hash: \"sha256:" + strings.Repeat("00", 32) + "\"}]}\n",
		`t.yaml:2:35: issuer.api_keys[0].hash: is no hash; want sha256: and 64 hexadecimal digits; printf %s "$KEY" | sha256sum prints them`},
	{"lifetime of half a second more", "version: 1\nlimits: {max_lifetime: 700500ms}\n",
		`t.yaml:2:24: limits.max_lifetime: is 11m40.5s; give whole seconds`},
	{"API key without the default role", "version: 1\nroles: [{id: a}]\ncredentials: {issuer_keys: [{id: k1, secret: KEY}]}\n" +
		"issuer: {api_keys: [{id: a, hash: HASH}]}\n",
		`t.yaml:4:21: issuer.api_keys[0].roles: is "default", and there is no such role; add it to roles, or name one of a`},
	{"transports of a role", "version: 1\nroles: [{id: default, transports: []}, {id: a, transports: [udp, quic]}, {id: b, transports: [tls, tls]}]\n",
		`t.yaml:2:23: roles[0].transports: is empty, so that its clients could allocate over none; list those that are meant, or take the key away for all of them
t.yaml:2:66: roles[1].transports[1]: is "quic"; give one of udp, tcp, tls
t.yaml:2:100: roles[2].transports[1]: is "tls" once more; list it once`},
	{"peers of a role", "version: 1\nroles: [{id: default, peers: [everybody, {match: 10.0.0.1, ports: [0]}]}]\n",
		`t.yaml:2:31: roles[0].peers[0]: is "everybody", no network; write ADDRESS/BITS, FROM-TO, an address or a preset (special-purpose, cloud-metadata, transition, rfc1918, local-routes, self)
t.yaml:2:68: roles[0].peers[1].ports[0]: is "0", no port; write PORT or FROM-TO, from 1 to 65535`},
	{"nine URIs", "version: 1\nissuer: {public_host: 192.0.2.1, uris: [" + strings.Repeat("\"turn:a.example:1?transport=udp\", ", 9) + "]}\n",
		`t.yaml:2:34: issuer.uris: has 9 entries; keep 8 or fewer, as a client tries each`},
	{"public host everywhere", "version: 1\nissuer: {public_host: 0.0.0.0}\n",
		`t.yaml:2:23: issuer.public_host: is "0.0.0.0"; give a host name or an IP address, without a port`},
	{"origins", "version: 1\ncredentials: {issuer_keys: [{id: k1, secret: KEY}]}\nissuer:\n  api_keys:\n    - id: a\n      hash: HASH\n      origins:\n" +
		"        - https://app.example.org\n        - https://app.example.org:8443\n        - https://[2001:db8::1]\n        - https://app.example.org\n" +
		"        - http://app.example.org\n        - https://app.example.org/\n        - https://*.example.org\n        - https://App.example.org\n        - https://app.example.org:443\n",
		originFault(11, 3, "is \"https://app.example.org\" once more; list it once") + "\n" +
			originFault(12, 4, `is "http://app.example.org"; `+originCure) + "\n" +
			originFault(13, 5, `is "https://app.example.org/"; `+originCure) + "\n" +
			originFault(14, 6, `is "https://*.example.org"; `+originCure) + "\n" +
			originFault(15, 7, `is "https://App.example.org"; `+originCure) + "\n" +
			originFault(16, 8, `is "https://app.example.org:443"; `+originCure)},
	{"issuer in the clear", "version: 1\ncredentials: {issuer_keys: [{id: k1, secret: KEY}]}\nissuer:\n  listen: [\"0.0.0.0:3480\"]\n  api_keys: [{id: a, hash: HASH}]\n",
		`t.yaml:4:12: issuer.listen[0]: is 0.0.0.0:3480, and without a certificate API keys and passwords would cross the network in the clear; give issuer.certificate_file and issuer.key_file, or acme.hosts, or listen on a loopback address or a unix socket`},
	{"API key", "version: 1\ncredentials: {issuer_keys: [{id: k1, secret: KEY}]}\nissuer: {api_keys: [{id: a, hash: HASH, roles: [default, default, gest], max_ttl: 1500ms}, {id: a, hash: HASH}]}\n",
		`t.yaml:3:125: issuer.api_keys[0].roles[1]: is "default" once more; list it once
t.yaml:3:134: issuer.api_keys[0].roles[2]: is "gest", and there is no such role; add it to roles, or name one of default
t.yaml:3:150: issuer.api_keys[0].max_ttl: is 1.5s; give whole seconds
t.yaml:3:164: issuer.api_keys[1].id: is "a", as issuer.api_keys[0].id is; give each its own id`},
	{"public host", "version: 1\nissuer: {public_host: \"turn.example.org:3478\", uris: [\"turn:turn.example.org\"]}\n",
		`t.yaml:2:23: issuer.public_host: is "turn.example.org:3478"; give a host name or an IP address, without a port
t.yaml:2:55: issuer.uris[0]: is "turn:turn.example.org"; write turn:HOST:PORT?transport=udp or tcp, or turns:HOST:PORT?transport=tcp`},
}

func nine() (list string) {
	for i := range 9 {
		list += fmt.Sprintf("{id: a%d, secret: KEY}, ", i)
	}
	return list
}

func TestBadFiles(t *testing.T) {
	for _, tt := range badFiles {
		t.Run(tt.name, func(t *testing.T) {
			file := strings.NewReplacer("KEY", key, "HASH", "sha256:"+strings.Repeat("5a", 32)).Replace(tt.file)
			if strings.HasPrefix(file, "version:") && !strings.Contains(file, "credentials:") {
				file = file + shared
			}
			got := newBed(t).faults(file)
			if got != tt.want {
				t.Errorf("of\n%s\ngot\n%s\nwant\n%s", file, got, tt.want)
			}
		})
	}
}

// TestGoodNeighbours: what is near a fault and is none.
func TestGoodNeighbours(t *testing.T) {
	for _, text := range []string{
		"listen: [{address: \"0.0.0.0:3478\"}, {address: \"[::]:3478\"}]\n" + shared, // families don't meet
		"listen: [{address: \"192.0.2.1:3478\"}, {address: \"192.0.2.2:3478\"}]\n" + shared,
		"listen: [{address: \"192.0.2.1:3478\", transports: [udp]}, {address: \"192.0.2.1:3478\", transports: [tcp]}]\n" + shared,
		"listen: [{address: \"0.0.0.0:50000\", transports: [tcp]}]\n" + shared, // relay ports are UDP
		"listen: [{address: \"127.0.0.1:50000\"}]\n" + shared,                  // and the default route's address is no loopback
		"listen: [{address: \"192.0.2.2:50000\"}]\nrelay: {addresses: [{bind: 192.0.2.1}]}\n" + shared,
		"listen: [{address: \"[::]:50000\"}]\nrelay: {addresses: [{bind: 192.0.2.1}]}\n" + shared,
		"listen: [{transports: [tls, udp]}]\ntls: {certificate_file: c, key_file: k}\n" + shared,
		"issuer: {listen: [\"0.0.0.0:443\"], certificate_file: c, key_file: k, api_keys: [{id: a, hash: \"sha256:" + hash + "\"}]}\n" +
			"credentials: {issuer_keys: [{id: k1, secret: " + key + "}]}\n",
		"issuer: {listen: [\"0.0.0.0:443\"], api_keys: [{id: a, hash: \"sha256:" + hash + "\"}]}\n" + // the certificate of tls
			"credentials: {issuer_keys: [{id: k1, secret: " + key + "}]}\ntls: {certificate_file: c, key_file: k}\n",
		"relay: {min_port: 50000, max_port: 50000}\n" + shared,
		"roles: [{id: a}]\ncredentials: {shared_secrets: [{id: app, role: a, secret: " + key + "}]}\n",
		"issuer: {listen: []}\n" + shared,
		"\"realm\": 'x'\n" + shared,
	} {
		b := newBed(t)
		b.put("c", "certificate", 0o644)
		b.put("k", "key", 0o600)
		if got := b.faults("version: 1\n" + text); got != "" {
			t.Errorf("%s\n%s", text, got)
		}
	}
}

// TestFaultIsOneLine: a file can have any name, and a cure or a reason quote it.
func TestFaultIsOneLine(t *testing.T) {
	f := Fault{File: "a\nb.yaml", Line: 1, Column: 2, Path: "p", Reason: "is \x1b[31m\xff \"§\"", Cure: "run chmod o= a\u2028b"}
	if got, want := f.Error(), `a\nb.yaml:1:2: p: is \x1b[31m\xff "§"; run chmod o= a\u2028b`; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestFaultsAreInOrder(t *testing.T) {
	f := Faults{{File: "TURNPIKE_B"}, {File: "t", Line: 10, Column: 1}, {File: "t", Line: 9, Column: 20}, {File: "TURNPIKE_A"},
		{File: "t", Line: 9, Column: 3, Path: "b"}, {File: "t", Line: 9, Column: 3, Path: "a"}}
	f.Sort()
	const want = "t:9:3: a: \nt:9:3: b: \nt:9:20: \nt:10:1: \nTURNPIKE_A: \nTURNPIKE_B: "
	if got := f.Error(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

const originCure = "write https://HOST in lower case, with a port if it is not 443 and nothing behind it; there are no wildcards"

func originFault(line, entry int, words string) string {
	return fmt.Sprintf("t.yaml:%d:11: issuer.api_keys[0].origins[%d]: %s", line, entry, words)
}
