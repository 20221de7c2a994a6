package main

import (
	"fmt"
	"path/filepath"
)

// The three programs that are compared.
const (
	coturn   = "coturn"
	turnpike = "turnpike"
	pion     = "pion"
)

// server is one column of the comparison: a program as it is set up.
type server struct {
	name    string
	program string // coturn, turnpike or pion
	plane   string // turnpike: more of its configuration
	limits  string // turnpike: those of its configuration; empty: the raised ones
	flood   flood  // what strangers send beside the load
}

// servers is all of them. To try another setting of the data plane, add a line
// here and its name to the cells that it is for.
var servers = append([]server{
	{name: coturn, program: coturn},
	{name: turnpike, program: turnpike}, // as it comes: mmsg, with GSO and GRO
	{name: pion, program: pion},

	{name: "turnpike std", program: turnpike, plane: "data_plane: std"},
	{name: "turnpike gro off", program: turnpike, plane: "mmsg: {gro: off}"},
	{name: "turnpike coalesce 0", program: turnpike, plane: "mmsg: {coalesce: 0s}"},
	{name: "turnpike coalesce 500us", program: turnpike, plane: "mmsg: {coalesce: 500us}"},
}, floodServers(floodRate, usualLimits)...)

const raisedLimits = "limits: {challenges_per_second: 1000000, challenges_burst: 1000000, " +
	"network_challenges_per_second: 10000000, network_challenges_burst: 10000000, " +
	"all_challenges_per_second: 10000000, all_challenges_burst: 10000000}"

// raised says what is not as it comes, for the reader of the results.
const raised = "turnpike: session_bit_rate and user_bit_rate 20 Mb/s -> 1 Tb/s (still counted, never reached), " +
	"challenges_per_second 50 and challenges_burst 200 -> 1,000,000 each, those of a network and of all -> 10,000,000, but for the runs under a flood; coturn and pion have no such limits"

const realm = "versus"

// files are what the servers and the load source are given, all in one folder.
type files struct{ dir string }

func (f files) path(name string) string { return filepath.Join(f.dir, name) }

func (f files) turnpike() string    { return f.path("turnpike") }
func (f files) stockPion() string   { return f.path("stockpion") }
func (f files) secret() string      { return f.path("secret") }
func (f files) password() string    { return f.path("password") }
func (f files) certificate() string { return f.path("cert.pem") }
func (f files) key() string         { return f.path("key.pem") }
func (f files) config() string      { return f.path("turnpike.yaml") }
func (f files) log() string         { return f.path("server.log") }

// command is how the server is started. secret is both the one that
// credentials are made with and, for pion, which knows users only, a password.
func (s server) command(f files, turnserver, secret string) []string {
	at := fmt.Sprintf("%s:%d", serverHost, plainPort)
	switch s.program {
	case coturn:
		return []string{turnserver, "-n", "-m", "1", "--no-cli",
			"-L", serverHost.String(), "-E", serverHost.String(), "-p", fmt.Sprint(plainPort), "--tls-listening-port", fmt.Sprint(tlsPort),
			"--realm", realm, "--use-auth-secret", "--static-auth-secret", secret,
			"--cert", f.certificate(), "--pkey", f.key(),
			"--userdb", f.path("coturn.db"), "--pidfile", f.path("coturn.pid"),
			"--no-stdout-log", "--log-file", "/dev/null", "--no-multicast-peers"}
	case pion:
		return []string{f.stockPion(), "-listen", at, "-relay", serverHost.String(), "-realm", realm, "-user", pionUser + "=" + secret}
	}
	return []string{f.turnpike(), "serve", "--config", f.config()}
}

// pionUser is the one user of stock pion.
const pionUser = "versus"

// credentials tells the load source who its clients are.
func (s server) credentials(f files, l load) []string {
	switch {
	case l.scenario == binding || l.scenario == challenging:
		return nil // nobody in particular
	case s.program == pion:
		return []string{"--user", pionUser, "--password-file", f.password()}
	}
	return []string{"--secret-file", f.secret(), "--users", fmt.Sprint(l.users())}
}

// configuration is turnpike's. The bit rates are high rather than without
// limit, so that every packet is charged as it is in production.
func (s server) configuration() string {
	text := fmt.Sprintf(`version: 1
realm: %[1]s
listen:
  - {address: "%[2]s:%[3]d", transports: [udp, tcp]}
  - {address: "%[2]s:%[4]d", transports: [tls]}
relay: {addresses: [{bind: %[2]s}]}
tls: {certificate_file: cert.pem, key_file: key.pem}
credentials: {shared_secrets: [{id: versus, secret_file: secret}]}
roles: [{id: default, session_bit_rate: 1000000000000, user_bit_rate: 1000000000000}]
`, realm, serverHost, plainPort, tlsPort)
	limits := raisedLimits
	if s.limits != "" {
		limits = s.limits
	}
	return text + limits + "\n" + s.plane + "\n"
}
