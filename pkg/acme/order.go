package acme

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"time"

	client "golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

const (
	orderPatience   = 5 * time.Minute
	requestPatience = 30 * time.Second
	accountKey      = "acme_account+key" // as autocert has it
)

// order gets a certificate for a host (RFC 8555 §7.4). With an error beside a
// certificate that can be served, but not be kept.
func (m *Manager) order(ctx context.Context, name string) (*tls.Certificate, error) {
	ctx, cancel := context.WithTimeout(ctx, orderPatience)
	defer cancel()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	defer transport.CloseIdleConnections()
	c := &client.Client{
		DirectoryURL: m.o.Directory, UserAgent: m.o.Agent,
		HTTPClient: &http.Client{Transport: transport, Timeout: requestPatience},
	}
	if err := m.register(ctx, c); err != nil {
		return nil, fmt.Errorf("account at %s: %w", m.o.Directory, err)
	}
	o, err := c.AuthorizeOrder(ctx, client.DomainIDs(name))
	if err != nil {
		return nil, lasting(err)
	}
	for _, at := range o.AuthzURLs {
		if err := m.authorize(ctx, c, name, at); err != nil {
			return nil, lasting(err)
		}
	}
	if o, err = c.WaitOrder(ctx, o.URI); err != nil {
		return nil, lasting(err)
	}
	return m.finalize(ctx, c, o, name)
}

// register makes the account, or finds the one there is: the authority knows it
// by its key (RFC 8555 §7.3.1).
func (m *Manager) register(ctx context.Context, c *client.Client) (err error) {
	m.account.Lock()
	defer m.account.Unlock()
	if c.Key, err = m.accountKey(ctx); err != nil {
		return err
	}
	a := &client.Account{}
	if m.o.Email != "" {
		a.Contact = []string{"mailto:" + m.o.Email}
	}
	if _, err = c.Register(ctx, a, client.AcceptTOS); errors.Is(err, client.ErrAccountAlreadyExists) {
		return nil
	}
	return err
}

// accountKey is the kept key of the account, or a new one.
func (m *Manager) accountKey(ctx context.Context) (crypto.Signer, error) {
	data, err := m.kept.Get(ctx, accountKey)
	switch {
	case err == nil:
		return signer(data)
	case !errors.Is(err, autocert.ErrCacheMiss):
		return nil, err
	}
	key, text, err := newKey()
	if err != nil {
		return nil, err
	}
	return key, m.kept.Put(ctx, accountKey, text)
}

// newKey is an ECDSA P-256 key, and the same as PEM.
func newKey() (*ecdsa.PrivateKey, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	return key, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), err
}

// authorize proves that a host is ours, if the authority still wants a proof.
func (m *Manager) authorize(ctx context.Context, c *client.Client, name, at string) error {
	z, err := c.GetAuthorization(ctx, at)
	if err != nil || z.Status == client.StatusValid {
		return err
	}
	for _, challenge := range z.Challenges {
		if challenge.Type != "tls-alpn-01" {
			continue
		}
		answer, err := c.TLSALPN01ChallengeCert(challenge.Token, name)
		if err != nil {
			return err
		}
		m.setChallenge(name, &answer)
		defer m.setChallenge(name, nil)
		if _, err := c.Accept(ctx, challenge); err != nil {
			return err
		}
		_, err = c.WaitAuthorization(ctx, at)
		return err
	}
	return fmt.Errorf("the authority offers no TLS-ALPN-01 challenge for %s", name)
}

func (m *Manager) setChallenge(name string, answer *tls.Certificate) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if answer == nil {
		delete(m.challenges, name)
		return
	}
	m.challenges[name] = answer
}

// finalize has the certificate made for a new key and keeps both.
func (m *Manager) finalize(ctx context.Context, c *client.Client, o *client.Order, name string) (*tls.Certificate, error) {
	key, text, err := newKey()
	if err != nil {
		return nil, err
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{name}}, key)
	if err != nil {
		return nil, err
	}
	chain, _, err := c.CreateCertFromOrder(ctx, o, request, true)
	if err != nil {
		return nil, lasting(err)
	}
	data := bytes.NewBuffer(text)
	for _, der := range chain {
		_ = pem.Encode(data, &pem.Block{Type: "CERTIFICATE", Bytes: der}) // a buffer takes everything
	}
	pair, err := parse(name, data.Bytes(), time.Now())
	if err != nil {
		return nil, fmt.Errorf("the authority's certificate can't be used: %w", err)
	}
	if now := time.Now(); !now.Before(dueOf(pair)) {
		return nil, fmt.Errorf("the authority's certificate of %s to %s is due for renewal already: check this machine's clock",
			pair.Leaf.NotBefore.UTC().Format(time.DateTime), pair.Leaf.NotAfter.UTC().Format(time.DateTime))
	}
	if err := m.kept.Put(ctx, name, data.Bytes()); err != nil {
		return pair, fmt.Errorf("the new certificate is served, and can't be kept: %w", err)
	}
	return pair, nil
}

// lasting is an error without what differs from one order to the next, so that one
// that lasts is told once.
func lasting(err error) error {
	if o, ok := errors.AsType[*client.OrderError](err); ok && o.Problem != nil {
		return o.Problem
	}
	return err
}
