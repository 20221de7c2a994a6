package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// announcement is what a user of a development server needs.
type announcement struct {
	APIKey     string                      `json:"api_key"`
	Issuer     string                      `json:"issuer"`
	Metrics    string                      `json:"metrics"`
	Health     string                      `json:"health"`
	TURN       map[string][]netip.AddrPort `json:"turn"` // by transport
	ICEServers json.RawMessage             `json:"ice_servers"`
	// Certificate is what TLS clients must trust, as PEM; SPKI is the base64 of
	// the SHA-256 of its key, as Chromium takes it.
	Certificate string `json:"certificate"`
	SPKI        string `json:"certificate_spki_sha256"`
}

// devCredentialTTL is the life of the credential printed at start.
const devCredentialTTL = time.Hour

// announcement asks the server's own issuer for a credential, the way an
// application's backend does.
func (u *up) announcement(ctx context.Context) (*announcement, error) {
	a := &announcement{
		APIKey:  u.settings.DevKey,
		Issuer:  u.issuer[0].String(),
		Metrics: u.operator[0].String() + "/metrics",
		Health:  u.operator[0].String() + "/readyz",
		TURN:    map[string][]netip.AddrPort{},

		Certificate: string(u.settings.Certificate.PEM()),
		SPKI:        u.settings.Certificate.SPKI(),
	}
	for _, b := range u.turn {
		over := b.Transport.String()
		a.TURN[over] = append(a.TURN[over], b.Addr)
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

  TURN      %s udp, %s tcp, %s tls (self-signed)
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
`, version(), a.TURN["udp"][0], a.TURN["tcp"][0], a.TURN["tls"][0], a.Health, a.Metrics, devCredentialTTL, ice, a.Issuer, a.APIKey)
	return err
}
