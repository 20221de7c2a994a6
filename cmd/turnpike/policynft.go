package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"

	"github.com/spf13/cobra"

	"turnpike/pkg/netpolicy"
)

func policyNFTCommand() *cobra.Command {
	var user, cgroup string
	var resolvers []string
	c := &cobra.Command{
		Use:   "nftables",
		Short: "Print the policy as a ruleset for nftables, a second fence in the kernel",
		Long: "Print the policy as a ruleset for nft(8): a second fence in the kernel, made from the same\n" +
			"lines. It drops what the server's user, or control group, sends from a relay port to a peer\n" +
			"that the policy refuses. It is that of now: print it again when the policy changes, a line\n" +
			"expires, or with local-routes the routes do.",
		Example: "  turnpike policy nftables --user turnpike | nft -f -\n" +
			"  turnpike policy nftables --cgroup system.slice/turnpike.service > /etc/nftables.d/turnpike.nft",
		Args: cobra.NoArgs,
	}
	file := configFlag(c)
	c.Flags().StringVar(&user, "user", "", "the `USER` that the server runs as, by name or number")
	c.Flags().StringVar(&cgroup, "cgroup", "", "its control `GROUP`, as system.slice/turnpike.service, instead of the user")
	c.Flags().StringArrayVar(&resolvers, "resolver", nil, "`IP:PORT` that the server itself asks over UDP, such as a STUN server; may be repeated")
	c.RunE = func(c *cobra.Command, _ []string) error {
		o := netpolicy.NFTOptions{User: user, Cgroup: cgroup}
		for _, text := range resolvers {
			at, err := netip.ParseAddrPort(text)
			if err != nil {
				return badQuestion{fmt.Errorf("policy nftables: --resolver %q; write IP:PORT", text)}
			}
			o.Resolvers = append(o.Resolvers, at)
		}
		if (user == "") == (cgroup == "") {
			return badQuestion{errors.New("policy nftables: give --user or --cgroup, for the kernel to know the server by")}
		}
		h, err := loadHost(*file)
		if err != nil {
			return err
		}
		for _, r := range h.s.Relays {
			o.Ports = append(o.Ports, netpolicy.PortRange{First: r.MinPort, Last: r.MaxPort})
		}
		ruleset, err := h.policy.NFTables(o)
		if err != nil {
			return badQuestion{fmt.Errorf("policy nftables: %w", err)}
		}
		_, err = io.WriteString(c.OutOrStdout(), ruleset)
		return err
	}
	return c
}
