package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"turnpike/pkg/issuer"
	"turnpike/pkg/probe"
	"turnpike/ratelimit"
)

// usagePatience is how long the store may take to tell what was used.
const usagePatience = 5 * time.Second

const monthFormat = "2006-01"

// used is an answer of the operator listener.
type used struct {
	Tenant string `json:"tenant"`
	User   string `json:"user,omitempty"`
	Month  string `json:"month"`
	Bytes  int64  `json:"bytes"`
}

func usageCommand() *cobra.Command {
	var u used
	var asJSON bool
	c := &cobra.Command{
		Use:   "usage",
		Short: "Tell what a user or a tenant has used of a month",
		Long: "Ask a running server what a user, or without --user a whole tenant, has used of a month of\n" +
			"the calendar: bytes of payload in both directions, on all servers that share its store. With\n" +
			"limits of bytes what the servers have taken ahead and not spent yet is in it.\n\n" +
			"The server is asked at its operator.listen, http://IP:PORT or unix:PATH, from its own host.",
		Example: "  turnpike usage --user alice\n  turnpike usage --tenant acme --month 2026-11 --json",
		Args:    cobra.NoArgs,
	}
	at := c.Flags().String("at", fmt.Sprintf("http://127.0.0.1:%d", devOperator), "operator `ENDPOINT` of the server")
	c.Flags().StringVar(&u.User, "user", "", "`NAME` of the user; the whole tenant if not given")
	c.Flags().StringVar(&u.Tenant, "tenant", "", "`ID` of the tenant; that of issuer keys without one is empty")
	c.Flags().StringVar(&u.Month, "month", "", "`MONTH` as 2026-11; this one if not given")
	c.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := checkMonth(u.Month); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(c.Context(), 2*usagePatience)
		defer cancel()
		query := url.Values{"user": {u.User}, "tenant": {u.Tenant}, "month": {u.Month}}
		body, err := probe.Do(ctx, http.MethodGet, *at, "/usage?"+query.Encode(), nil)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(body, &u); err != nil {
			return fmt.Errorf("what answers at %s is not the operator listener of turnpike", *at)
		}
		return u.report(c.OutOrStdout(), asJSON)
	}
	return c
}

func checkMonth(month string) error {
	if _, err := time.Parse(monthFormat, month); month != "" && err != nil {
		return fmt.Errorf("%q is no month; write it as 2026-11", month)
	}
	return nil
}

func (u *used) report(to io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(to).Encode(u)
	}
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	user := u.User
	if user == "" {
		user = "(all)"
	}
	fmt.Fprintln(w, "MONTH\tTENANT\tUSER\tBYTES\tGB")
	fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%.3f\n", u.Month, u.Tenant, user, u.Bytes, float64(u.Bytes)/1e9)
	return w.Flush()
}

// usage asks what all nodes have counted in a month: "", or one that checkMonth
// lets pass. The middle of a month is in it in every zone.
func (p *parts) usage(ctx context.Context, who ratelimit.Subject, month string) (issuer.Used, error) {
	zone := p.settings.Load().Store.Zone
	if zone == nil {
		zone = time.UTC
	}
	at := time.Now().In(zone)
	if month != "" {
		first, err := time.Parse(monthFormat, month)
		if err != nil {
			return issuer.Used{}, err
		}
		at = first.AddDate(0, 0, 14)
	}
	bytes, err := p.fleet.Usage(ctx, who, at)
	return issuer.Used{Month: at.Format(monthFormat), Bytes: bytes}, err
}

// usageHandler tells who asks from this host.
func usageHandler(ask func(context.Context, ratelimit.Subject, string) (issuer.Used, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		who, month := ratelimit.Subject{Tenant: q.Get("tenant"), User: q.Get("user")}, q.Get("month")
		switch {
		case r.Method != http.MethodGet:
			w.Header().Set("Allow", "GET")
			http.Error(w, "use GET", http.StatusMethodNotAllowed)
			return
		case !fromThisHost(r) || r.Header.Get("Turnpike") == "":
			http.Error(w, "only from this host, by `turnpike usage`", http.StatusForbidden)
			return
		case checkMonth(month) != nil:
			http.Error(w, checkMonth(month).Error(), http.StatusBadRequest)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), usagePatience)
		defer cancel()
		got, err := ask(ctx, who, month)
		if err != nil {
			http.Error(w, "the store can't tell: "+err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(used{Tenant: who.Tenant, User: who.User, Month: got.Month, Bytes: got.Bytes}) // who asked may have gone
	})
}
