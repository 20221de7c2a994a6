package main

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"turnpike/auth"
	"turnpike/pkg/config"
	"turnpike/pkg/issuer"
)

func secretCommand() *cobra.Command {
	c := &cobra.Command{Use: "secret", Short: "Make secrets", Args: cobra.NoArgs}
	c.AddCommand(secretNewCommand())
	return c
}

func secretNewCommand() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use:   "new",
		Short: "Make a secret",
		Long: "Make a secret of 32 random bytes, as 43 characters of A-Z a-z 0-9 _ - which any file, shell\n" +
			"and URL takes. It is good for an issuer key, a shared secret, the password of a user and a\n" +
			"nonce key; make another for each. It is printed, or with --out written to a new file that\n" +
			"only its owner may read.\n\n" +
			"Exit code 0: made, 1: the file is there already (it is left alone) or can't be written.",
		Example: "  turnpike secret new --out /etc/turnpike/issuer-k2.key",
		Args:    cobra.NoArgs,
	}
	c.Flags().StringVarP(&out, "out", "o", "", "write it to this new `FILE`, with mode 0600")
	c.RunE = func(c *cobra.Command, _ []string) error {
		secret, err := auth.NewRandomSecret(rand.Reader)
		if err != nil {
			return err
		}
		return handOut(c.OutOrStdout(), out, base64.RawURLEncoding.EncodeToString(secret.Bytes()))
	}
	return c
}

func apiKeyCommand() *cobra.Command {
	c := &cobra.Command{Use: "apikey", Short: "Make keys for the issuer's HTTP API", Args: cobra.NoArgs}
	c.AddCommand(apiKeyNewCommand())
	return c
}

func apiKeyNewCommand() *cobra.Command {
	var id, out string
	c := &cobra.Command{
		Use:   "new --id ID",
		Short: "Make an API key",
		Long: "Make an API key and print it, this once, and the entry for issuer.api_keys with its hash: the\n" +
			"server keeps nothing else of it. With --out the key is written to a new file that only its\n" +
			"owner may read, and the entry alone is printed.\n\n" +
			"Exit code 0: made, 1: the file is there already (it is left alone) or can't be written, 2: no\n" +
			"such id can be.",
		Example: "  turnpike apikey new --id app --out app.apikey >> entries.yaml",
		Args:    cobra.NoArgs,
	}
	c.Flags().StringVar(&id, "id", "", "names the key in records: 1 to 32 of A-Z a-z 0-9 _ -")
	c.Flags().StringVarP(&out, "out", "o", "", "write the key to this new `FILE`, with mode 0600")
	_ = c.MarkFlagRequired("id") // it is there
	c.RunE = func(c *cobra.Command, _ []string) error {
		plain, key, err := issuer.NewAPIKey(rand.Reader, id)
		if err != nil {
			return badQuestion{fmt.Errorf("apikey new: %w", err)}
		}
		if err := handOut(c.OutOrStdout(), out, plain); err != nil {
			return err
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "# for issuer.api_keys\n- id: %q\n  hash: %q\n", key.ID, config.KeyHash(key.Hash))
		return err
	}
	return c
}

// handOut prints a secret, or writes it to a file that is not there yet.
func handOut(w io.Writer, file, secret string) error {
	if file == "" {
		_, err := fmt.Fprintln(w, secret)
		return err
	}
	// O_EXCL: a secret in use that is written over locks everybody out.
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("%w; name a file that is not there yet, in a folder that this user may write to", err)
	}
	_, err = fmt.Fprintln(f, secret)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		_ = os.Remove(file) // half a secret is none
	}
	return err
}
