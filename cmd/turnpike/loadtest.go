package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	turnload "turnpike/pkg/load"
)

// passwordEnv carries the password of `turnpike load`, where there is no file.
const passwordEnv = "TURNPIKE_LOAD_PASSWORD"

// loadFlags are those that are not options as they stand.
type loadFlags struct {
	o                                turnload.Options
	scenario, direction, peer        string
	passwordFile, secretFile, caFile string
	peerAddress, bind, clientNet     string
	insecure, asJSON                 bool
}

func loadCommand() *cobra.Command {
	var f loadFlags
	c := &cobra.Command{
		Use:   "load turn:HOST:PORT[?transport=tcp] | turns:HOST:PORT",
		Short: "Put load on a TURN server and measure it",
		Long: "Put load on a TURN server, this one or another, and measure what arrives.\n\n" +
			"Clients make allocations and exchange packets with peers through the server: as fast\n" +
			"as they come back (closed loop), or at --rate. Every packet is checked. The scenarios\n" +
			"allocate, challenge and binding measure what comes before. Only put load on a server\n" +
			"whose operator wants it: it is a flood.\n\n" +
			"A password is in a file or in " + passwordEnv + ", a shared secret in a file.",
		Example: "  turnpike load turn:turn.example.org --secret-file secret --users 5 --clients 100 --rate 5000\n" +
			"  turnpike load turns:turn.example.org --user u --password-file pw --peer relay",
		Args: cobra.ExactArgs(1),
	}
	f.define(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := f.read(args[0]); err != nil {
			return fmt.Errorf("load: %w", err)
		}
		ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		context.AfterFunc(ctx, stop) // a second signal ends it the hard way
		r, err := turnload.Run(ctx, f.o)
		if r != nil {
			err = errors.Join(err, f.write(c, r))
		}
		if err != nil {
			return fmt.Errorf("load: %w", err)
		}
		return nil
	}
	return c
}

func (f *loadFlags) define(c *cobra.Command) {
	s, o := c.Flags(), &f.o
	s.StringVar(&o.Credentials.User, "user", "", "user of a long-term credential")
	s.StringVar(&f.passwordFile, "password-file", "", "`FILE` with the user's password")
	s.StringVar(&f.secretFile, "secret-file", "", "`FILE` with the secret shared with the server, of which credentials are made")
	s.IntVar(&o.Credentials.Users, "users", 1, "how many users are made of the secret")
	s.IntVar(&o.Clients, "clients", 1, "clients, each with an allocation")
	s.StringVar(&f.scenario, "scenario", "relay", "relay, allocate, challenge or binding")
	s.IntVar(&o.Size, "size", 160, "payload of a packet in `BYTES`, 32 to 4000")
	s.Float64Var(&o.Rate, "rate", 0, "`PACKETS` a second, all directions together; 0: closed loop")
	s.IntVar(&o.Window, "window", 256, "packets in flight in each direction of a closed loop")
	s.IntVar(&o.Burst, "burst", 1, "consecutive packets of one client, sent at once")
	s.StringVar(&f.direction, "direction", "both", "both, up (to the peers) or down")
	s.BoolVar(&o.Indications, "indications", false, "Send and Data indications instead of channels")
	s.StringVar(&f.peer, "peer", "socket", "socket: a socket of this host plays all peers; relay: each peer is an allocation too")
	s.StringVar(&f.peerAddress, "peer-address", "", "`IP[:PORT]` of the peer socket (default: as the route to the server has it)")
	s.StringVar(&f.bind, "bind", "", "`IP` of the clients")
	s.StringVar(&f.clientNet, "client-net", "", "`CIDR` of which each client has an address; needs `ip route add local CIDR dev lo` (Linux)")
	s.IntVar(&o.Handshakes, "handshakes", 32, "handshakes in flight")
	s.DurationVar(&o.Duration, "duration", 10*time.Second, "time measured")
	s.DurationVar(&o.Warmup, "warmup", time.Second, "time before that")
	s.DurationVar(&o.Hold, "hold", 0, "keep the allocations so long (scenario allocate)")
	s.BoolVar(&f.insecure, "insecure", false, "do not verify the server's certificate")
	s.StringVar(&f.caFile, "ca-file", "", "PEM `FILE` with the authorities to trust (default: the system's)")
	s.BoolVar(&f.asJSON, "json", false, "print one JSON object")
	s.IntVar(&o.PID, "pid", 0, "process id of the server on this host: report its CPU and memory (Linux)")
	s.BoolVar(&o.Poll, "poll", runtime.GOMAXPROCS(0) == 1, "never sleep while packets go: steadier figures, and a CPU of its own (default with one CPU)")
}

// read makes options of what was given.
func (f *loadFlags) read(uri string) (err error) {
	o := &f.o
	o.Scenario, o.Direction, o.Peer = turnload.Scenario(f.scenario), turnload.Direction(f.direction), turnload.Peer(f.peer)
	if o.Server, err = turnload.ParseServer(uri); err != nil {
		return err
	}
	if f.bind != "" {
		if o.Bind, err = netip.ParseAddr(f.bind); err != nil {
			return fmt.Errorf("--bind: %w", err)
		}
	}
	if f.clientNet != "" {
		if o.ClientNet, err = netip.ParsePrefix(f.clientNet); err != nil {
			return fmt.Errorf("--client-net: %w", err)
		}
	}
	if f.peerAddress != "" {
		if o.PeerAddress, err = addressPort(f.peerAddress); err != nil {
			return fmt.Errorf("--peer-address: %w", err)
		}
	}
	if err = f.readSecrets(); err != nil {
		return err
	}
	if o.TLS, err = f.trust(); err != nil {
		return err
	}
	if err = o.Validate(); err != nil {
		return errors.New(strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return nil
}

// addressPort reads IP or IP:PORT; without a port it is 0.
func addressPort(s string) (netip.AddrPort, error) {
	if ip, err := netip.ParseAddr(s); err == nil {
		return netip.AddrPortFrom(ip, 0), nil
	}
	return netip.ParseAddrPort(s)
}

func (f *loadFlags) readSecrets() error {
	if f.passwordFile != "" {
		b, err := os.ReadFile(f.passwordFile)
		if err != nil {
			return fmt.Errorf("--password-file: %w", err)
		}
		f.o.Credentials.Password = turnload.Secret(strings.TrimRight(string(b), "\r\n"))
	} else if f.o.Credentials.User != "" {
		f.o.Credentials.Password = turnload.Secret(os.Getenv(passwordEnv))
	}
	if f.secretFile != "" {
		b, err := os.ReadFile(f.secretFile)
		if err != nil {
			return fmt.Errorf("--secret-file: %w", err)
		}
		if f.o.Credentials.Shared = turnload.Secret(strings.TrimRight(string(b), "\r\n")); f.o.Credentials.Shared == "" {
			return fmt.Errorf("--secret-file: %s is empty", f.secretFile)
		}
	}
	return nil
}

// trust is what certificates are accepted.
func (f *loadFlags) trust() (*tls.Config, error) {
	if f.o.Server.Transport != turnload.TLS {
		if f.insecure || f.caFile != "" {
			return nil, errors.New("--insecure and --ca-file are for turns: servers only")
		}
		return nil, nil
	}
	c := &tls.Config{InsecureSkipVerify: f.insecure}
	if f.caFile != "" {
		pem, err := os.ReadFile(f.caFile)
		if err != nil {
			return nil, fmt.Errorf("--ca-file: %w", err)
		}
		if c.RootCAs = x509.NewCertPool(); !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--ca-file: there is no certificate in %s", f.caFile)
		}
	}
	return c, nil
}

func (f *loadFlags) write(c *cobra.Command, r *turnload.Report) error {
	if f.asJSON {
		return json.NewEncoder(c.OutOrStdout()).Encode(r)
	}
	return r.WriteText(c.OutOrStdout())
}
