package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"turnpike/auth"
	"turnpike/pkg/issuer"
	"turnpike/relay"
)

// Where a development server listens if nothing else does.
const (
	devTURN     = 3478 // RFC 8656 §3.1
	devIssuer   = 3480
	devOperator = 3481
)

// devSettings are those of a development server: loopback only, fresh secrets,
// nothing kept. The policy is the one of any server, which opens nothing of
// this host but live relay ports: two clients of this server can talk. Nothing
// beyond this host is reached either, because relay sockets are bound to
// loopback.
func devSettings() (*settings, error) {
	loopback := netip.MustParseAddr("127.0.0.1")
	secret, err := auth.NewRandomSecret(rand.Reader)
	if err != nil {
		return nil, err
	}
	plain, key, err := issuer.NewAPIKey(rand.Reader, "dev")
	if err != nil {
		return nil, err
	}
	nonceKey := make([]byte, 32)
	rand.Read(nonceKey) // never fails
	turn, err := freeUDP(netip.AddrPortFrom(loopback, devTURN))
	if err != nil {
		return nil, err
	}
	role := auth.DefaultRole()
	return &settings{
		Realm:        "turnpike",
		Listen:       []netip.AddrPort{turn},
		Relays:       []relay.Pool{{Bind: loopback}},
		IssuerAddr:   netip.AddrPortFrom(loopback, devIssuer),
		OperatorAddr: netip.AddrPortFrom(loopback, devOperator),
		NonceKey:     nonceKey,
		Keyring: auth.Options{
			Keys: []auth.Key{{ID: "dev", Secret: secret}}, Issue: "dev", Roles: []auth.Role{role},
		},
		APIKeys:    []issuer.APIKey{key},
		OtherPorts: true,
		DevKey:     plain,
	}, nil
}

// freeUDP answers the address itself, or with port 0 (any) if it is taken.
func freeUDP(at netip.AddrPort) (netip.AddrPort, error) {
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if errors.Is(err, syscall.EADDRINUSE) {
		return netip.AddrPortFrom(at.Addr(), 0), nil
	} else if err != nil {
		return at, err
	}
	return at, c.Close()
}

// announcement is what a user of a development server needs.
type announcement struct {
	APIKey     string                      `json:"api_key"`
	Issuer     string                      `json:"issuer"`
	Metrics    string                      `json:"metrics"`
	Health     string                      `json:"health"`
	TURN       map[string][]netip.AddrPort `json:"turn"` // by transport
	ICEServers json.RawMessage             `json:"ice_servers"`
}

// devCredentialTTL is the life of the credential printed at start.
const devCredentialTTL = time.Hour

// announcement asks the server's own issuer for a credential, the way an
// application's backend does.
func (u *up) announcement(ctx context.Context) (*announcement, error) {
	a := &announcement{
		APIKey:  u.settings.DevKey,
		Issuer:  "http://" + u.issuer.String(),
		Metrics: "http://" + u.operator.String() + "/metrics",
		Health:  "http://" + u.operator.String() + "/readyz",
		TURN:    map[string][]netip.AddrPort{"udp": u.turn},
	}
	body := fmt.Sprintf(`{"user":"dev","ttl":%d}`, int(devCredentialTTL.Seconds()))
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, a.Issuer+"/v1/credentials", strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+a.APIKey)
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, fmt.Errorf("ask the issuer: %w", err)
	}
	defer resp.Body.Close()
	var credential struct {
		ICEServers json.RawMessage `json:"iceServers"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&credential); err != nil || resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the issuer answered %s (%v)", resp.Status, err)
	}
	a.ICEServers = credential.ICEServers
	return a, nil
}

// announceJSON prints the announcement on one line.
func announceJSON(ctx context.Context, w io.Writer, u *up) error {
	a, err := u.announcement(ctx)
	if err != nil {
		return err
	}
	return json.NewEncoder(w).Encode(a)
}

// announceText prints the announcement for people.
func announceText(ctx context.Context, w io.Writer, u *up) error {
	a, err := u.announcement(ctx)
	if err != nil {
		return err
	}
	ice, err := json.MarshalIndent(a.ICEServers, "  ", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, `
turnpike %s, DEVELOPMENT server: loopback only, secrets made for this run and
gone with it, plain HTTP. Do not put it on a network.

  TURN      %s (udp)
  health    %s
  metrics   %s

Paste into new RTCPeerConnection({iceServers: ..., iceTransportPolicy: "relay"});
valid for %s:

  %s

Or ask for a credential of your own, as an application's backend does:

  curl -s -X POST %s/v1/credentials \
    -H 'Authorization: Bearer %s' \
    -H 'Content-Type: application/json' -d '{"user":"alice"}'

Ctrl-C stops it.
`, version(), u.turn[0], a.Health, a.Metrics, devCredentialTTL, ice, a.Issuer, a.APIKey)
	return err
}
