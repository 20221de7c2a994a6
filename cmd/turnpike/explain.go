package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"turnpike/auth"
)

func explainCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "explain USERNAME",
		Short: "Take a username apart",
		Long: "Tell what a username says: until when it is good, whose it is, which keys could have signed it,\n" +
			"and what its role allows. It needs no password and says nothing of one.\n\n" +
			"Exit code 0: the right password would be accepted, 1: none would, 78: the configuration is bad.",
		Example: "  turnpike credentials explain '1795424400:~k1.default.awOZ8Hq2Vn7xLw4Z:alice'",
		Args:    cobra.ExactArgs(1),
	}
	file := configFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		now := time.Now()
		v, _, err := loadVerifier(*file, now)
		if err != nil {
			return err
		}
		if !explain(c.OutOrStdout(), v, args[0], now) {
			return errDenied
		}
		return nil
	}
	return c
}

// outcomeWords are what is wrong, for the operator.
var outcomeWords = [auth.NumOutcomes]string{
	auth.BadUsername:    "it is none of the known forms, and no static user has that name",
	auth.Expired:        "it has expired; get a new one",
	auth.FarFuture:      "it expires later than the role or the secret allows; is its lifetime in milliseconds?",
	auth.NoUser:         "the id_rule of the secret finds no user in it",
	auth.UnknownKey:     "there is no such key; was it retired before its credentials had expired?",
	auth.UnknownRole:    "its role is gone",
	auth.Revoked:        "it was revoked",
	auth.WrongSignature: "the password is not the one of any key that could have signed it",
}

// explain reports whether some password would be accepted.
func explain(w io.Writer, v *auth.Verifier, username string, now time.Time) (good bool) {
	e := v.Explain(username, now)
	switch {
	case e.Err != nil && len(e.Bearers) == 0:
		fmt.Fprintf(w, "form     none: %s\n", strings.TrimPrefix(e.Err.Error(), "auth: "))
	case e.Err != nil:
		fmt.Fprint(w, "form     the name of a static user\nexpires  never\n")
	default:
		form := "minted by an application: expiry, user"
		if e.Name.Issued() {
			form = "issued by turnpike: expiry, ~key.role.credential, user"
		}
		fmt.Fprintf(w, "form     %s\nexpires  %s\nuser     %s\n", form, when(time.Unix(e.Name.Expires, 0).UTC(), now), orNone(e.Name.User))
	}
	if e.Name.Issued() {
		known := ""
		if len(e.Bearers) == 0 {
			known = " (unknown)"
		}
		fmt.Fprintf(w, "key      %s%s\nrole     %s\nid       %s\n", e.Name.KeyID, known, e.Name.Role, e.Name.CredentialID)
	}
	if len(e.Bearers) == 0 {
		fmt.Fprintf(w, "refused, whatever the password: %s\n", nobodyWords(e))
	}
	for _, b := range e.Bearers {
		good = explainBearer(w, b) || good
	}
	return good
}

func nobodyWords(e auth.Explanation) string {
	switch {
	case e.Err != nil:
		return outcomeWords[auth.BadUsername]
	case e.Name.Issued():
		return outcomeWords[auth.UnknownKey]
	}
	return "there is no shared secret"
}

// explainBearer tells what the username is worth if that one signed it.
func explainBearer(w io.Writer, b auth.Bearer) bool {
	worth := "the right password is accepted"
	if b.Outcome != auth.OK {
		worth = "refused, whatever the password: " + outcomeWords[b.Outcome]
	}
	fmt.Fprintf(w, "under %s: %s\n", b.KeyID, worth)
	if b.Role != nil {
		fmt.Fprintf(w, "  user %s, tenant %s, role %s: %s\n", orNone(b.User), orNone(b.Tenant), b.Role.Name, roleWords(b.Role))
	}
	return b.Outcome == auth.OK
}

// roleWords are what a role allows.
func roleWords(r *auth.Role) string {
	words := []string{"credentials of " + span(r.MaxTTL) + " at most"}
	add := func(limited bool, format string, args ...any) {
		if limited {
			words = append(words, fmt.Sprintf(format, args...))
		}
	}
	add(r.MaxSession > 0, "sessions of %s at most", span(r.MaxSession))
	add(r.Idle > 0, "%s idle", span(r.Idle))
	add(r.Allocations > 0, "%d allocations a user", r.Allocations)
	add(r.SessionBits > 0, "%d bit/s a session", r.SessionBits)
	add(r.UserBits > 0, "%d bit/s a user", r.UserBits)
	add(r.BytesPerDay > 0, "%d bytes a user and day", r.BytesPerDay)
	add(r.BytesPerMonth > 0, "%d bytes a user and month", r.BytesPerMonth)
	add(r.AllocationsPerMinute > 0, "%d allocations a minute", r.AllocationsPerMinute)
	add(r.CredentialsPerMinute > 0, "%d credentials a minute", r.CredentialsPerMinute)
	add(r.RelayOnly, "relays only")
	return strings.Join(words, ", ")
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// when is a time, and how far off it is.
func when(at, now time.Time) string {
	left := at.Sub(now.Truncate(time.Second))
	if left < 0 {
		return fmt.Sprintf("%s, expired %s ago", at.Format(time.RFC3339), span(-left))
	}
	return fmt.Sprintf("%s, in %s", at.Format(time.RFC3339), span(left))
}

// span is a duration in words: the two units that matter.
func span(d time.Duration) string {
	whole := func(unit time.Duration) int64 { return int64(d / unit) }
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", whole(time.Second))
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", whole(time.Minute), whole(time.Second)%60)
	case d < 72*time.Hour:
		return fmt.Sprintf("%d h %d min", whole(time.Hour), whole(time.Minute)%60)
	}
	return fmt.Sprintf("%d days", whole(24*time.Hour))
}
