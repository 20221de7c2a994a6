package main

import (
	"log/slog"
	"strconv"

	"turnpike/auth"
	"turnpike/pkg/issuer"
	"turnpike/pkg/metrics"
	"turnpike/pkg/netpolicy"
	"turnpike/relay"
	"turnpike/relay/dataplane"
	"turnpike/relay/gate"
	"turnpike/relay/stream"
)

// logEnd writes a session's record: one line at its end, none before.
func logEnd(log *slog.Logger, r relay.Record) {
	args := []any{
		"session", r.ID, "reason", r.Why.String(),
		"user", r.User, "tenant", r.Tenant, "role", r.Role, "credential", r.CredentialID,
		"transport", r.Transport, "client", r.Client, "relayed", r.Relayed,
		"started", r.Start, "duration_ms", r.End.Sub(r.Start).Milliseconds(),
		"to_peer_packets", r.PacketsToPeer, "to_peer_bytes", r.BytesToPeer,
		"to_client_packets", r.PacketsToClient, "to_client_bytes", r.BytesToClient,
		"dropped_packets", r.Dropped,
	}
	if r.Additional.IsValid() {
		args = append(args, "relayed_additional", r.Additional)
	}
	log.Info("session ended", args...)
}

// logIssued writes the record of a credential: one line each, without its
// password and the key that was shown.
func logIssued(log *slog.Logger, i issuer.Issued) {
	args := []any{
		"credential", i.ID, "user", i.User, "tenant", i.Tenant, "role", i.Role, "expires", i.Expires,
		"api_key", i.APIKey, "client", i.Client, "route", i.Route.String(), "request", i.Request,
	}
	if i.Label != "" {
		args = append(args, "label", i.Label)
	}
	if i.ConsentRef != "" {
		args = append(args, "consent_ref", i.ConsentRef)
	}
	log.Info("credential issued", args...)
}

// logRevoked writes the record of a revocation.
func logRevoked(log *slog.Logger, r issuer.Revoked) {
	log.Info("credentials revoked", "kind", r.Kind, "id", r.ID, "user", r.User, "tenant", r.Tenant, "before", r.Before,
		"api_key", r.APIKey, "client", r.Client, "request", r.Request)
}

// snapshot reads every part's counters for a scrape.
func (p *parts) snapshot() metrics.Snapshot {
	st, s := p.relay.Stats(), p.settings.Load()
	m := metrics.Snapshot{
		Allocations:        st.Allocations,
		AllocationsTotal:   st.AllocationsTotal,
		QuotaRefused:       st.QuotaRefused,
		RelayBytes:         map[[2]string]uint64{},
		RelayPackets:       map[[2]string]uint64{},
		HandedOver:         st.Plane.HandedOver.Packets(),
		Dropped:            map[[2]string]uint64{},
		ICMPErrors:         map[string]uint64{},
		Responses:          map[[2]string]uint64{},
		PeerDenied:         map[string]uint64{},
		Auth:               map[string]uint64{},
		EngineQueue:        st.EngineQueue,
		EngineStallSeconds: st.EngineStall.Seconds(),
		EngineFaults:       st.EngineFaults,
		Accounts:           p.ledger.Stats().Accounts,
		RelayPortsFree:     st.RelayPortsFree,
		RecordsLost:        st.RecordsLost,
		SessionsEnded:      st.Ended,
		Revocations:        p.revoked.set.Len(),
		PolicyGeneration:   p.relay.PolicyGeneration(),
		PolicyRules: map[string]int{
			"allow": len(s.Policy.Allow), "deny": len(s.Policy.Deny)},
		CertificateNotAfter: map[string]float64{},
		CertificateErrors:   p.certificateErrors.Load(),
		LogLinesLost:        p.logs.lost.Load(),
	}
	if st.Draining {
		m.Draining = 1
	}
	for name, c := range p.certificates() {
		m.CertificateNotAfter[name] = float64(c.NotAfter().Unix())
	}
	s.acmeNotAfter(m.CertificateNotAfter)
	if a := s.ACME; a != nil {
		m.ACMEOrders = map[string]uint64{"issued": a.Issued(), "failed": a.Failed()}
		m.UnknownNames = a.Strangers()
	}
	p.reloads.snapshot(&m)
	p.fleet.snapshot(&m, p.begun)
	p.accounts.snapshot(&m)
	m.Questions = st.Parked
	snapshotTransports(&m, st)
	snapshotPlane(&m, st)
	snapshotStreams(&m, st.Streams)
	for v := dataplane.Allow + 1; int(v) < dataplane.NumVerdicts; v++ {
		m.Dropped[[2]string{"data", v.String()}] = st.Plane.Dropped(v)
	}
	for n := range dataplane.NumNotices {
		m.ICMPErrors[dataplane.Notice(n).String()] = st.Plane.Notices(dataplane.Notice(n))
	}
	for reason, n := range st.Dropped {
		m.Dropped[[2]string{"control", reason}] = n
	}
	snapshotGate(&m, st.Gate)
	snapshotIssuer(&m, p.issuer.Load())
	return m
}

func snapshotIssuer(m *metrics.Snapshot, door *issuer.Server) {
	if door == nil {
		return
	}
	c := door.Counters()
	m.Minted, m.IssuerRequests = c.Issued(), map[[2]string]uint64{}
	for r := range issuer.NumRoutes {
		route := issuer.Route(r)
		m.IssuerRequests[[2]string{route.String(), "ok"}] = c.Served(route)
		for code := range issuer.NumCodes {
			m.IssuerRequests[[2]string{route.String(), issuer.Code(code).String()}] = c.Refused(route, issuer.Code(code))
		}
	}
}

func (x *reloads) snapshot(m *metrics.Snapshot) {
	m.Reloads = map[string]uint64{
		"changed": x.changed.Load(), "unchanged": x.unchanged.Load(), "refused": x.refused.Load()}
	m.ReloadTime = float64(x.since.Load())
	if !x.failed.Load() {
		m.ReloadGood = 1
	}
}

// snapshotTransports divides by the client's transport, which is the class of a
// flow.
func snapshotTransports(m *metrics.Snapshot, st relay.Stats) {
	for t := range gate.NumTransports {
		over := gate.Transport(t).String()
		for direction, tally := range map[string]*dataplane.Tally{
			"to_peer": &st.Plane.ToPeer[t], "to_client": &st.Plane.ToClient[t],
		} {
			m.RelayBytes[[2]string{direction, over}] = tally.Bytes()
			m.RelayPackets[[2]string{direction, over}] = tally.Packets()
		}
	}
}

func snapshotPlane(m *metrics.Snapshot, st relay.Stats) {
	m.DataPlane, m.PlaneFeatures = st.PlaneCaps.Name, map[string]int{}
	for _, f := range st.PlaneCaps.Features {
		m.PlaneFeatures[f.Name] = 0
		if f.On {
			m.PlaneFeatures[f.Name] = 1
		}
	}
	for i, l := range st.Listeners {
		if i == 0 {
			m.ListenerBuffers = map[string]int{"receive": l.ReceiveBuffer, "send": l.SendBuffer}
		}
		m.ListenerBuffers["receive"] = min(m.ListenerBuffers["receive"], l.ReceiveBuffer)
		m.ListenerBuffers["send"] = min(m.ListenerBuffers["send"], l.SendBuffer)
		m.ListenerOverflow += l.Overflowed
	}
}

func snapshotStreams(m *metrics.Snapshot, c *stream.Counters) {
	if c == nil {
		return
	}
	m.Streams = map[string]int{}
	for s := range stream.NumStates {
		m.Streams[stream.State(s).String()] = int(c.Open(stream.State(s)))
	}
	m.StreamsAccepted, m.StreamAcceptErrors, m.StreamsClosed = c.Accepted(), c.AcceptErrors(), map[string]uint64{}
	for r := stream.Alive + 1; int(r) < stream.NumReasons; r++ {
		m.StreamsClosed[r.String()] = c.Over(r)
	}
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
