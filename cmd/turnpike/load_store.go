package main

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"strings"
	"time"

	"turnpike/pkg/config"
	"turnpike/ratelimit"
	"turnpike/ratelimit/redisstore"
)

// rules are those of the limits that the list names, and of the others the usual
// ones.
func rules(list []config.Rule) (all ratelimit.Rules) {
	for _, r := range list {
		for i := range all {
			if ratelimit.Limit(i).String() != r.ID {
				continue
			}
			all[i] = ratelimit.Rule{Strict: r.Strict, Shadow: r.Shadow}
			_ = all[i].OnStoreError.UnmarshalText([]byte(r.OnStoreError)) // one of its names: the configuration has no other
		}
	}
	return all
}

func (l *loader) store() storeSettings {
	c := l.c.Store
	s := storeSettings{Node: c.Node, Lease: c.Lease}
	s.Zone, _ = time.LoadLocation(c.Zone) // checked
	if s.Node == "" {
		s.Node = l.hostName()
	}
	if c.Kind == "redis" {
		s.Redis = l.redis(&c.Redis)
	}
	return s
}

// hostName is this node's name where it has no other.
func (l *loader) hostName() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		l.fault("store.node", "give one that no other node has", "is missing, and this host has no name")
	}
	return name
}

func (l *loader) redis(c *config.Redis) *redisstore.Options {
	o := &redisstore.Options{
		Master: c.SentinelMaster, Cluster: c.Cluster, DB: c.Database, Username: c.Username, Password: c.Password.Text(),
		SentinelUsername: c.SentinelUsername, SentinelPassword: c.SentinelPassword.Text(), TLS: l.redisTLS(&c.TLS),
		HashKey: []byte(c.HashKey.Text()), Prefix: c.Prefix, DialTimeout: c.DialTimeout, Timeout: c.Timeout, Pool: c.Pool,
	}
	for _, a := range c.Addresses {
		o.Addrs = append(o.Addrs, strings.TrimPrefix(a, "unix:"))
	}
	return o
}

func (l *loader) redisTLS(c *config.RedisTLS) *tls.Config {
	const path = "store.redis.tls."
	if !c.Enabled {
		return nil
	}
	o := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.ServerName}
	if c.CAFile != "" {
		o.RootCAs = x509.NewCertPool()
		text, err := os.ReadFile(c.CAFile)
		l.wrong(path+"ca_file", err)
		if err == nil && !o.RootCAs.AppendCertsFromPEM(text) {
			l.fault(path+"ca_file", "give the certificates of the authorities, PEM", "%s has no certificate", c.CAFile)
		}
	}
	if c.CertificateFile != "" {
		own, err := tls.LoadX509KeyPair(c.CertificateFile, c.KeyFile)
		l.wrong(path+"certificate_file", err)
		o.Certificates = []tls.Certificate{own}
	}
	return o
}
