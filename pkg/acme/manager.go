package acme

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	client "golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// Options configures a Manager.
type Options struct {
	// Hosts are the names to get a certificate for, one each, in lower case. The
	// first is for clients that name none.
	Hosts []string
	// Directory is the URL of the authority's directory, Email where it may write
	// to, if anywhere. Whoever gives them has agreed to its terms of service.
	Directory, Email string
	// Folder is where keys and certificates are kept, each authority's apart. It
	// is made when something is to be kept.
	Folder string
	// Agent names the server to the authority (RFC 8555 §6.1).
	Agent string
}

// Manager has the certificates of some hosts. Its methods are safe for use by
// many goroutines.
type Manager struct {
	o      Options
	kept   autocert.DirCache
	hosts  []*host
	byName map[string]*host
	// obtain orders a certificate; tests put something faster there.
	obtain func(ctx context.Context, name string) (*tls.Certificate, error)

	account sync.Mutex // one registration at a time, with one key

	mu         sync.Mutex                  // guards challenges
	challenges map[string]*tls.Certificate // of the orders under way, by host

	issued, failed, strangers atomic.Uint64
}

// host is one name with what is known of its certificate.
type host struct {
	name    string
	current atomic.Pointer[tls.Certificate] // nil: none yet
	fault   atomic.Pointer[string]          // what went wrong last; nil: nothing
	again   chan struct{}
}

// New reads what is kept and asks nobody. A folder that everybody may read is an
// error; one that is missing is not.
func New(o Options) (*Manager, error) {
	if len(o.Hosts) == 0 {
		return nil, errors.New("acme: no hosts: name what to get a certificate for")
	}
	at, err := url.Parse(o.Directory)
	if err != nil || at.Host == "" {
		return nil, fmt.Errorf("acme: %q is no URL of a directory", o.Directory)
	}
	// What a test authority has certified must not be served as another's.
	folder := filepath.Join(o.Folder, strings.NewReplacer("/", "-", ":", "-").Replace(at.Host+strings.TrimRight(at.Path, "/")))
	for _, path := range []string{o.Folder, folder} {
		if err := checkFolder(path); err != nil {
			return nil, err
		}
	}
	m := &Manager{
		o: o, kept: autocert.DirCache(folder), byName: map[string]*host{}, challenges: map[string]*tls.Certificate{},
	}
	m.obtain = m.order
	for _, name := range o.Hosts {
		h := &host{name: name, again: make(chan struct{}, 1)}
		if pair := m.load(name, time.Now()); pair != nil {
			h.current.Store(pair)
		}
		m.hosts = append(m.hosts, h)
		m.byName[name] = h
	}
	return m, nil
}

var errNone = errors.New("acme: no certificate yet")

// GetCertificate is for tls.Config: the certificate of the host that the client
// names, or of the first that has one.
func (m *Manager) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if h := m.byName[strings.ToLower(hello.ServerName)]; h != nil {
		if c := h.current.Load(); c != nil {
			return c, nil
		}
		return nil, errNone
	}
	if hello.ServerName != "" {
		m.strangers.Add(1)
	}
	for _, h := range m.hosts {
		if c := h.current.Load(); c != nil {
			return c, nil
		}
	}
	return nil, errNone
}

// Answer has a listener's configuration answer the authority's challenges.
func (m *Manager) Answer(o *tls.Config) *tls.Config {
	validation := &tls.Config{
		GetCertificate: m.challenge, NextProtos: []string{client.ALPNProto},
		MinVersion: o.MinVersion, CipherSuites: o.CipherSuites, CurvePreferences: o.CurvePreferences,
		SessionTicketsDisabled: true, // a resumed session would show no certificate
	}
	o.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if isChallenge(hello.SupportedProtos) {
			return validation, nil
		}
		return nil, nil
	}
	return o
}

// isChallenge reports whether a client that offers these protocols is an
// authority: it offers no other (RFC 8737 §3).
func isChallenge(protocols []string) bool {
	return len(protocols) == 1 && protocols[0] == client.ALPNProto
}

func (m *Manager) challenge(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c := m.challenges[strings.ToLower(hello.ServerName)]; c != nil {
		return c, nil
	}
	return nil, errors.New("acme: no order of this host is under way")
}

// State is what there is of a host's certificate.
type State struct {
	Host     string
	NotAfter time.Time // the zero time without a certificate
	Fault    string    // what went wrong last, or ""
}

// States are those of all hosts, in their order.
func (m *Manager) States() (all []State) {
	for _, h := range m.hosts {
		s := State{Host: h.name}
		if c := h.current.Load(); c != nil {
			s.NotAfter = c.Leaf.NotAfter
		}
		if f := h.fault.Load(); f != nil {
			s.Fault = *f
		}
		all = append(all, s)
	}
	return all
}

// Issued and Failed count orders, Strangers the handshakes of clients that named
// a host that is not ours.
func (m *Manager) Issued() uint64    { return m.issued.Load() }
func (m *Manager) Failed() uint64    { return m.failed.Load() }
func (m *Manager) Strangers() uint64 { return m.strangers.Load() }
