package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"turnpike/pkg/config"
	"turnpike/pkg/netpolicy"
)

func policyShowCommand() *cobra.Command {
	var effective bool
	c := &cobra.Command{
		Use:   "show",
		Short: "Print the whole policy in the order in which it is judged",
		Long: "Print the whole policy in the order in which it is judged: the built-in rules with where they\n" +
			"come from, and every line with its file and line. The first that fits decides.",
		Args: cobra.NoArgs,
	}
	file := configFlag(c)
	c.Flags().BoolVar(&effective, "effective", true, "with the built-in rules; there is no other form")
	c.RunE = func(c *cobra.Command, _ []string) error {
		h, err := loadHost(*file)
		if err != nil {
			return err
		}
		w := &sheet{Writer: tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0), now: time.Now()}
		if err := h.show(w); err != nil {
			return err
		}
		return w.Flush()
	}
	return c
}

// sheet is a page of rows with columns.
type sheet struct {
	*tabwriter.Writer
	now time.Time
}

func (w *sheet) row(what, why string) { fmt.Fprintf(w, "   %s\t%s\n", what, why) }

func (w *sheet) head(text string) { io.WriteString(w, text+"\n") }

func (w *sheet) none(n int) {
	if n == 0 {
		io.WriteString(w, "   none\n")
	}
}

// show prints the policy in the order of judging.
func (h *host) show(w *sheet) error {
	p := &h.c.Policy
	peers := p.PeerLines()
	w.head("Peers that may be reached through the relay. The first that fits decides.")
	w.head("1. allowed: a relay port in use")
	for _, r := range h.s.assumed() {
		w.row(r.Bind.String(), fmt.Sprintf("as %v, ports %d to %d", r.Public, r.MinPort, r.MaxPort))
	}
	w.head("2. denied, and no line opens it")
	w.table(true)
	for _, b := range h.host.Broadcasts {
		w.row(b.String(), "broadcast: a network of this host, RFC 919 §7")
	}
	for _, at := range h.services {
		w.row(at.String(), "own_service: of this server")
	}
	w.head("3. denied by a line")
	w.lines(peers.Deny)
	w.head("4. allowed by a line")
	w.lines(peers.Allow)
	w.head("5. denied where no line allows it")
	w.table(false)
	w.row("other ports of this host", "own_host: opened by a line of the one address")
	w.head("6. everything else: " + said(p.Mode) + h.at("policy.mode"))
	h.showRoles(w)
	h.showClients(w, "Clients that may send to the relay.", "policy.clients.mode", p.Clients.Mode, p.ClientLines())
	h.showClients(w, "Clients that may ask the issuer.", "policy.issuer_clients.mode", p.IssuerClients.Mode, p.IssuerClientLines())
	return nil
}

// showRoles prints who may reach less than that.
func (h *host) showRoles(w *sheet) {
	for _, r := range h.c.Roles {
		if len(r.Peers) > 0 {
			w.head("\nPeers of the role " + r.ID + ": what is allowed above, relay ports in use too, and one of these.")
			w.lines(r.Peers)
		}
	}
}

func (h *host) showClients(w *sheet, title, path string, mode config.Mode, lists config.Lists) {
	w.head("\n" + title)
	w.head("1. denied by a line")
	w.lines(lists.Deny)
	w.head("2. allowed by a line")
	w.lines(lists.Allow)
	w.head("3. everybody else: " + said(mode) + h.at(path))
}

// table prints the special ranges that no line opens, or those that one does.
func (w *sheet) table(hard bool) {
	for _, r := range netpolicy.Table() {
		if r.Hard == hard {
			w.row(r.Prefix.String(), fmt.Sprintf("%v: %s, %s", r.Rule, r.Name, r.Source))
		}
	}
}

// lines prints lines with where they stand. An expired one is told, and counts
// for nothing.
func (w *sheet) lines(lines []config.Line) {
	for i := range lines {
		l := &lines[i]
		at := l.Place.String()
		if l.Expired(w.now) {
			at += " (expired, holds no more)"
		}
		w.row(l.String(), at)
	}
	w.none(len(lines))
}

func said(m config.Mode) string {
	if m == config.AllowList {
		return "denied, the mode is allowlist"
	}
	return "allowed, the mode is public"
}

// at is where the value at a path was given, or that it is the default.
func (h *host) at(path string) string {
	if !h.c.Given(path) {
		return " (default)"
	}
	file, line, column := h.c.At(path)
	return " (" + config.Place{File: file, Line: line, Column: column}.String() + ")"
}
