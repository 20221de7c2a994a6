package acme

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// forOthers are the permissions of whoever is neither the owner nor in the
// group.
const forOthers fs.FileMode = 0o007

// checkFolder refuses a folder that keys can be had from by everybody. One that
// is missing is made with the first key, for the owner alone.
func checkFolder(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return closed(err)
	case !info.IsDir():
		return fmt.Errorf("%s is no folder; name another", path)
	case info.Mode()&forOthers != 0:
		return open(path, info)
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return closed(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && info.Mode().IsRegular() && info.Mode()&forOthers != 0 {
			return open(filepath.Join(path, e.Name()), info)
		}
	}
	return nil
}

func closed(err error) error { return fmt.Errorf("%w; give a folder that the server's user owns", err) }

func open(path string, info fs.FileInfo) error {
	return fmt.Errorf("%s can be read or written by everybody (mode %04o), and private keys are kept there; run chmod o= on it", path, info.Mode().Perm())
}

// load is the kept certificate of a host, or nil if there is none that can be
// served.
func (m *Manager) load(name string, now time.Time) *tls.Certificate {
	data, err := m.kept.Get(context.Background(), name)
	if err != nil {
		return nil
	}
	pair, err := parse(name, data, now)
	if err != nil {
		return nil
	}
	return pair
}

// parse takes a key and a chain for a host, valid now.
func parse(name string, data []byte, now time.Time) (*tls.Certificate, error) {
	pair, err := tls.X509KeyPair(data, data)
	if err != nil {
		return nil, err
	}
	leaf := pair.Leaf
	switch {
	case now.Before(leaf.NotBefore):
		return nil, fmt.Errorf("it is valid only from %s", leaf.NotBefore.UTC().Format(time.DateTime))
	case now.After(leaf.NotAfter):
		return nil, fmt.Errorf("it expired on %s", leaf.NotAfter.UTC().Format(time.DateTime))
	}
	return &pair, leaf.VerifyHostname(name)
}

// signer is the private key of a PEM file.
func signer(data []byte) (crypto.Signer, error) {
	b, _ := pem.Decode(data)
	if b == nil {
		return nil, errors.New("the kept account key is damaged; take the file " + accountKey + " away")
	}
	return x509.ParseECPrivateKey(b.Bytes)
}
