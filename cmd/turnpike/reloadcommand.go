package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"turnpike/pkg/probe"
)

// reloadPatience is how long a reload may take: reading a policy of 100,000 lines
// takes a second.
const reloadPatience = 30 * time.Second

func reloadCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "reload [ENDPOINT]",
		Short: "Have a running server read its configuration again",
		Long: "Have the running server at an endpoint of operator.listen, http://IP:PORT or unix:PATH, read\n" +
			"its configuration again, and tell what became of it: what has changed, which keys take a\n" +
			"restart, what was refused and where. It is the same as SIGHUP, which tells it to the log alone.\n" +
			"Exit code 0: what the files say is in force; 1: the configuration before stays.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			at := fmt.Sprintf("http://127.0.0.1:%d", devOperator)
			if len(args) == 1 {
				at = args[0]
			}
			ctx, cancel := context.WithTimeout(c.Context(), reloadPatience)
			defer cancel()
			body, err := probe.Post(ctx, at, "/reload")
			if err != nil {
				return err
			}
			var r reloaded
			if err := json.Unmarshal(body, &r); err != nil {
				return fmt.Errorf("what answers at %s is not the operator listener of turnpike", at)
			}
			return r.report(c.OutOrStdout())
		},
	}
}

func (r *reloaded) report(w io.Writer) error {
	for _, of := range []struct {
		what  string
		lines []string
	}{{"changed", r.Changed}, {"takes a restart", r.Restart}, {"refused", r.Refused}} {
		for _, line := range of.lines {
			fmt.Fprintf(w, "%s: %s\n", of.what, line)
		}
	}
	switch {
	case !r.good():
		return errors.New("not everything was reloaded; what is refused stays as it was")
	case len(r.Changed) == 0 && r.Before != nil:
		fmt.Fprintf(w, "nothing has changed since %s, asked for by %s, when it was:\n", r.Before.At.Format(time.RFC3339), r.Before.AskedBy)
		for _, line := range r.Before.Changed {
			fmt.Fprintf(w, "changed: %s\n", line)
		}
	case len(r.Changed) == 0:
		fmt.Fprintln(w, "nothing has changed")
	}
	return nil
}

// reloadHandler passes on who asks from this host, by POST with a header that a
// web page can't make a browser send.
func reloadHandler(asked chan<- chan reloaded) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method != http.MethodPost:
			w.Header().Set("Allow", "POST")
			http.Error(w, "use POST", http.StatusMethodNotAllowed)
			return
		case !fromThisHost(r) || r.Header.Get("Turnpike") == "":
			http.Error(w, "only from this host, by `turnpike reload`", http.StatusForbidden)
			return
		}
		answer := make(chan reloaded, 1)
		select {
		case asked <- answer:
		case <-r.Context().Done():
			return
		}
		select {
		case done := <-answer:
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(done) // who asked has gone: nobody left to tell
		case <-r.Context().Done():
		}
	})
}

// fromThisHost reports whether a request came over loopback or a unix socket.
func fromThisHost(r *http.Request) bool {
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if local != nil && local.Network() == "unix" {
		return true
	}
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && at.Addr().Unmap().IsLoopback()
}
