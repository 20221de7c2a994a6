package certs

import "crypto/tls"

// suites are for TLS 1.2: ephemeral key exchange and authenticated encryption
// (RFC 9325 §4.2). Those of TLS 1.3 all are that, and crypto/tls sets them.
var suites = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

// groups stand in the order crypto/tls gives them itself.
var groups = []tls.CurveID{tls.X25519MLKEM768, tls.X25519, tls.CurveP256, tls.CurveP384}

// Source gives the certificate for a handshake: a [Certificate], or whatever
// gets them elsewhere.
type Source interface {
	GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error)
}

// Relay is for the TURN listeners: the ALPN names of RFC 7443, or none. lowest
// is a version of crypto/tls; what is below TLS 1.2, as 0 is, means TLS 1.2.
func Relay(s Source, lowest uint16) *tls.Config {
	o := config(s, lowest, "stun.turn", "stun.nat-discovery")
	// What is written at once is one record: media is late if it waits for the
	// second half of a batch.
	o.DynamicRecordSizingDisabled = true
	return o
}

// HTTPS is for the HTTP listeners, and else as [Relay].
func HTTPS(s Source, lowest uint16) *tls.Config {
	return config(s, lowest, "h2", "http/1.1")
}

func config(s Source, lowest uint16, protocols ...string) *tls.Config {
	return &tls.Config{
		GetCertificate:   s.GetCertificate,
		MinVersion:       max(lowest, tls.VersionTLS12),
		CipherSuites:     suites,
		CurvePreferences: groups,
		NextProtos:       protocols,
	}
}
