package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"turnpike/pkg/config"
	"turnpike/pkg/hostnet"
	"turnpike/pkg/netpolicy"
)

// errDenied is an answer, which has been written already.
var errDenied = errors.New("denied")

// badQuestion is an error of what was asked, and no answer to it.
type badQuestion struct{ error }

func (e badQuestion) Unwrap() error { return e.error }

func policyCommand() *cobra.Command {
	c := &cobra.Command{Use: "policy", Short: "Ask the policy, and show it", Args: cobra.NoArgs}
	c.AddCommand(policyTestCommand(), policyShowCommand(), policyNFTCommand())
	return c
}

func policyTestCommand() *cobra.Command {
	var role string
	var client, issuerClient bool
	c := &cobra.Command{
		Use:   "test IP[:PORT]",
		Short: "Tell whether a peer may be reached, and by which rule",
		Long: "Tell whether clients may reach a peer through the relay, by which rule, and in which file\n" +
			"and line that stands. With a port it is judged as a datagram and a ChannelBind are; without\n" +
			"one as CreatePermission is, since a permission has no port (RFC 8656 §9). It reads the\n" +
			"configuration as serve does and asks no server, so no relay port is in use.\n\n" +
			"With --client or --issuer-client it tells whether a client with that address may send to\n" +
			"the relay, or ask the issuer.\n\n" +
			"Exit code 0: allowed, 1: denied, 2: no such address or role, 78: the configuration is bad.",
		Example: "  turnpike policy test 10.20.30.40:10000\n  turnpike policy test '[2001:db8::1]:443' --role guest",
		Args:    cobra.ExactArgs(1),
	}
	file := configFlag(c)
	c.Flags().BoolVar(&client, "client", false, "judge a client that sends to the relay")
	c.Flags().BoolVar(&issuerClient, "issuer-client", false, "judge a client that asks the issuer")
	c.Flags().StringVar(&role, "role", "", "judge for the clients of this `ROLE`")
	c.MarkFlagsMutuallyExclusive("client", "issuer-client", "role")
	c.RunE = func(c *cobra.Command, args []string) error {
		peer, err := parsePeer(args[0])
		if err != nil {
			return badQuestion{fmt.Errorf("policy test: %w", err)}
		}
		h, err := loadHost(*file)
		if err != nil {
			return err
		}
		if err := h.checkRole(role); err != nil {
			return badQuestion{fmt.Errorf("policy test: %w", err)}
		}
		allowed, words := h.explain(peer, role, client, issuerClient)
		fmt.Fprintln(c.OutOrStdout(), words)
		if role != "" && h.policy.Of(role) == h.policy {
			fmt.Fprintf(c.OutOrStdout(), "role %s has no peers of its own: the policy is the one of all roles\n", role)
		}
		if !allowed {
			return errDenied
		}
		return nil
	}
	return c
}

// explain says what becomes of a peer or a client, by which rule and where that
// stands. Port 0 stands for none.
func (h *host) explain(peer netip.AddrPort, role string, client, issuerClient bool) (allowed bool, words string) {
	lists, policy := h.clients, h.policy.Of(role)
	if issuerClient {
		lists = h.askers
	}
	switch {
	case client || issuerClient:
		return lists.Admits(peer.Addr()), lists.Explain(peer.Addr())
	case peer.Port() == 0:
		return policy.Permission(peer.Addr()).Allowed, policy.ExplainPermission(peer.Addr())
	}
	return policy.Peer(peer, nil).Allowed, policy.Explain(peer, nil)
}

// parsePeer reads an address, with or without a port; without one the port is 0.
func parsePeer(text string) (netip.AddrPort, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		return netip.AddrPortFrom(addr, 0), nil
	}
	peer, err := netip.ParseAddrPort(text)
	if err != nil || peer.Port() == 0 {
		return peer, fmt.Errorf("%q is no address; write IP or IP:PORT, an IPv6 address with a port in brackets: [2001:db8::1]:443", text)
	}
	return peer, nil
}

// host is what a configuration makes of this host's policy.
type host struct {
	c        *config.Config
	s        *settings
	host     hostnet.Host
	services []netip.AddrPort
	policy   *netpolicy.Policy
	clients  *netpolicy.Clients
	askers   *netpolicy.Clients
}

func loadHost(file string) (*host, error) {
	c, s, _, err := load(file)
	if err != nil {
		return nil, err
	}
	h := &host{c: c, s: s, services: s.services()}
	if h.host, err = hostnet.Read(); err != nil {
		return nil, err
	}
	if h.policy, err = newPolicy(s.Policy, h.host, s.assumed(), h.services); err != nil {
		return nil, err
	}
	h.clients, h.askers, err = newClients(s.Policy, h.host, s.listening())
	return h, err
}

// services are where the settings have this server listen, and what it uses.
func (s *settings) services() (all []netip.AddrPort) {
	all = s.listening()
	for _, list := range [][]endpoint{s.Issuer.Listen, s.Operator} {
		for _, e := range list {
			if at, err := netip.ParseAddrPort(e.address); err == nil { // a unix socket is none
				all = append(all, at)
			}
		}
	}
	return append(all, s.Store.servers()...)
}

func (h *host) checkRole(role string) error {
	var roles []string
	for _, r := range h.c.Roles {
		if r.ID == role {
			return nil
		}
		roles = append(roles, r.ID)
	}
	if role == "" {
		return nil
	}
	return errors.New("there is no role " + role + "; name one of " + strings.Join(roles, ", "))
}
