package main

import (
	"io"
	"log/slog"
	"os"
	"strconv"

	"turnpike/auth"
	"turnpike/pkg/issuer"
	"turnpike/pkg/metrics"
	"turnpike/pkg/netpolicy"
	"turnpike/relay"
	"turnpike/relay/dataplane"
	"turnpike/relay/gate"
)

// newLogger writes text to a terminal and JSON to anything else.
func newLogger(w io.Writer) *slog.Logger {
	if f, ok := w.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			return slog.New(slog.NewTextHandler(w, nil))
		}
	}
	return slog.New(slog.NewJSONHandler(w, nil))
}

// logEnd writes a session's record: one line at its end, none before.
func logEnd(log *slog.Logger, r relay.Record) {
	log.Info("session ended",
		"session", r.ID, "reason", r.Why.String(),
		"user", r.User, "tenant", r.Tenant, "role", r.Role, "credential", r.CredentialID,
		"transport", r.Transport, "client", r.Client, "relayed", r.Relayed,
		"started", r.Start, "duration_ms", r.End.Sub(r.Start).Milliseconds(),
		"to_peer_packets", r.PacketsToPeer, "to_peer_bytes", r.BytesToPeer,
		"to_client_packets", r.PacketsToClient, "to_client_bytes", r.BytesToClient,
		"dropped_packets", r.Dropped)
}

// snapshot reads every part's counters for a scrape.
func (p *parts) snapshot() metrics.Snapshot {
	st := p.relay.Stats()
	m := metrics.Snapshot{
		Allocations:      st.Allocations,
		AllocationsTotal: st.AllocationsTotal,
		QuotaRefused:     st.QuotaRefused,
		RelayBytes: map[string]uint64{
			"to_peer": st.Plane.ToPeer.Bytes(), "to_client": st.Plane.ToClient.Bytes()},
		RelayPackets: map[string]uint64{
			"to_peer": st.Plane.ToPeer.Packets(), "to_client": st.Plane.ToClient.Packets()},
		HandedOver:         st.Plane.HandedOver.Packets(),
		Dropped:            map[[2]string]uint64{},
		Responses:          map[[2]string]uint64{},
		PeerDenied:         map[string]uint64{},
		Auth:               map[string]uint64{},
		EngineQueue:        st.EngineQueue,
		EngineStallSeconds: st.EngineStall.Seconds(),
		EngineFaults:       st.EngineFaults,
		Accounts:           p.ledger.Stats().Accounts,
		RelayPortsFree:     st.RelayPortsFree,
		RecordsLost:        st.RecordsLost,
	}
	for v := dataplane.Allow + 1; int(v) < dataplane.NumVerdicts; v++ {
		m.Dropped[[2]string{"data", v.String()}] = st.Plane.Dropped(v)
	}
	for reason, n := range st.Dropped {
		m.Dropped[[2]string{"control", reason}] = n
	}
	snapshotGate(&m, st.Gate)
	if door := p.issuer.Load(); door != nil {
		m.Minted, m.MintRefused = door.Counters().Issued(), map[string]uint64{}
		for c := range issuer.NumCodes {
			m.MintRefused[issuer.Code(c).String()] = door.Counters().Refused(issuer.Code(c))
		}
	}
	return m
}

func snapshotGate(m *metrics.Snapshot, c *gate.Counters) {
	for r := gate.NotDropped + 1; int(r) < gate.NumReasons; r++ {
		m.Dropped[[2]string{"control", r.String()}] = c.Dropped(r)
	}
	for method := range gate.NumMethods {
		for _, code := range gate.Codes() {
			label := "success"
			if code != 0 {
				label = strconv.Itoa(code)
			}
			m.Responses[[2]string{gate.Method(method).String(), label}] = c.Replied(gate.Method(method), code)
		}
	}
	for r := range netpolicy.NumRules {
		m.PeerDenied[netpolicy.Rule(r).String()] = c.Denied(netpolicy.Rule(r))
	}
	for o := range auth.NumOutcomes {
		m.Auth[auth.Outcome(o).String()] = c.Authenticated(auth.Outcome(o))
	}
}
