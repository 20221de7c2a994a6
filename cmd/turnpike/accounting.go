package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"

	"turnpike/pkg/accounting"
	"turnpike/pkg/issuer"
	"turnpike/pkg/metrics"
	"turnpike/relay"
)

// accounts is where the records go that somebody bills by. Nothing waits for it.
type accounts struct {
	node   string
	file   *accounting.File                 // nil: none
	stream func(key string, payload []byte) // nil: none
}

// openAccounts opens the file, if there is to be one. Without it there would be no
// record of what is relayed, so a server that can't write it does not start.
func openAccounts(node, file string, log *slog.Logger) (*accounts, error) {
	a := &accounts{node: node}
	if file == "" {
		return a, nil
	}
	var err error
	a.file, err = accounting.Open(file, func(err error) {
		if err != nil {
			log.Error("accounting file can't be written; records wait in memory", "file", file, slog.Any("error", err))
			return
		}
		log.Info("accounting file is written again", "file", file)
	})
	if err != nil {
		return nil, fmt.Errorf("accounting.file: %w; give a path in a folder that this user may write to", err)
	}
	return a, nil
}

// run writes the file until stop is called, which waits for what is left.
func (a *accounts) run() (stop func()) {
	if a.file == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); a.file.Run(ctx) }()
	return func() { cancel(); <-ended }
}

// ended has the end of a session logged and kept. Where somebody bills by records
// a log that is stuck must not hold them up: its own lines give way then.
func (a *accounts) ended(logs *logs) func(relay.Record) {
	log := logs.records
	if a.file != nil || a.stream != nil {
		log = logs.Logger
	}
	return func(r relay.Record) {
		a.session(r)
		logEnd(log, r)
	}
}

// session keeps what there is to say of one at its end.
func (a *accounts) session(r relay.Record) {
	a.keep(a.node+"/"+r.ID, func(key string) any {
		return accounting.Session{
			Kind: accounting.KindSession, Key: key, Session: r.ID, Node: a.node,
			Tenant: r.Tenant, User: r.User, Role: r.Role, Credential: r.CredentialID,
			Start: r.Start.UTC(), End: r.End.UTC(), DurationMS: r.End.Sub(r.Start).Milliseconds(), Reason: r.Why.String(),
			Transport: r.Transport, Client: r.Client, Relayed: r.Relayed,
			BytesToPeer: r.BytesToPeer, BytesToClient: r.BytesToClient,
			PacketsToPeer: r.PacketsToPeer, PacketsToClient: r.PacketsToClient,
		}
	})
}

// credential keeps what an application said of one, since no session can carry it.
func (a *accounts) credential(i issuer.Issued) {
	if i.Label == "" && i.ConsentRef == "" {
		return
	}
	a.keep("credential/"+i.ID, func(key string) any {
		return accounting.Credential{
			Kind: accounting.KindCredential, Key: key, Credential: i.ID, Node: a.node,
			Tenant: i.Tenant, User: i.User, Role: i.Role, APIKey: i.APIKey,
			Issued: i.At.UTC(), Expires: i.Expires.UTC(), Label: i.Label, ConsentRef: i.ConsentRef,
		}
	})
}

func (a *accounts) keep(key string, record func(key string) any) {
	if a.file == nil && a.stream == nil {
		return
	}
	line, err := json.Marshal(record(key))
	if err != nil {
		panic(err) // no value of these types is one that JSON has not
	}
	if a.file != nil {
		a.file.Write(line)
	}
	if a.stream != nil {
		a.stream(key, line)
	}
}

func (a *accounts) snapshot(m *metrics.Snapshot) {
	if a.file != nil {
		m.AccountingWaiting, m.AccountingLost = a.file.Stats()
	}
}
