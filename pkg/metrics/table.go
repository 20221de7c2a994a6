package metrics

import "github.com/prometheus/client_golang/prometheus"

const (
	counter = prometheus.CounterValue
	gauge   = prometheus.GaugeValue
)

// family is one row of the table: a metric name and what is under it.
type family struct {
	name, help string
	kind       prometheus.ValueType
	labels     []label
	read       func(Snapshot) []sample
}

// label is a label name and its values; nil means they are learned.
type label struct {
	name   string
	values []string
}

var (
	transport  = label{"transport", []string{"udp", "tcp", "tls"}}
	direction  = label{"direction", []string{"to_peer", "to_client"}}
	addrFamily = label{"family", []string{"ipv4", "ipv6"}}
	state      = label{"state", []string{"opening", "tcp", "tls"}}
	name       = label{"name", []string{"relay", "issuer"}}
	planeName  = label{"name", []string{"std", "mmsg"}}
	feature    = label{name: "feature"}
	bufferOf   = label{"buffer", []string{"receive", "send"}}
	list       = label{"list", []string{"allow", "deny"}}
	reloads    = label{"result", []string{"changed", "unchanged", "refused"}}
	orders     = label{"result", []string{"issued", "failed"}}
	stage      = label{"stage", []string{"control", "data"}}
	method     = label{"method", []string{"binding", "allocate", "refresh", "create_permission", "channel_bind"}}
	code       = label{name: "code"}
	route      = label{name: "route"}
	reason     = label{name: "reason"}
	result     = label{name: "result"}
	rule       = label{name: "rule"}
	quota      = label{name: "quota"}
	fault      = label{name: "fault"}
	limit      = label{"limit", []string{"user", "tenant", "network", "rate", "mint", "bytes"}}
	decision   = label{"decision", []string{"refused", "shadowed", "unheard", "over"}}
)

// table is every family of ours. The Go runtime and process collectors and
// turnpike_build_info come from [New].
//
// turnpike_allocations beside turnpike_allocations_total is a clash in
// OpenMetrics, whose counters are named without the suffix, and none in the
// Prometheus text format: the only one the handler speaks.
var table = []family{
	{"turnpike_allocations", "Live allocations, by transport of the client and address family of the relayed address. A dual allocation counts in both families.",
		gauge, []label{transport, addrFamily}, func(s Snapshot) []sample { return byPair(s.Allocations) }},
	{"turnpike_allocations_total", "Allocate requests decided, by result: success or what stood in the way.",
		counter, []label{result}, func(s Snapshot) []sample { return byLabel(s.AllocationsTotal) }},

	{"turnpike_relay_bytes_total", "Payload bytes relayed, without STUN or ChannelData framing, by transport of the client.",
		counter, []label{direction, transport}, func(s Snapshot) []sample { return byPair(s.RelayBytes) }},
	{"turnpike_relay_packets_total", "Datagrams relayed, by transport of the client.",
		counter, []label{direction, transport}, func(s Snapshot) []sample { return byPair(s.RelayPackets) }},
	{"turnpike_relay_handed_over_packets_total", "Datagrams passed from one own relay to another inside the process.",
		counter, nil, func(s Snapshot) []sample { return single(s.HandedOver) }},
	{"turnpike_dropped_packets_total", "Datagrams that went nowhere, by stage and reason.",
		counter, []label{stage, reason}, func(s Snapshot) []sample { return byPair(s.Dropped) }},

	{"turnpike_icmp_errors_total", "ICMP errors about relayed datagrams, by result: sent to the client, or what stood in the way.",
		counter, []label{result}, func(s Snapshot) []sample { return byLabel(s.ICMPErrors) }},

	{"turnpike_data_plane_info", "Always 1; the label is the data plane that moves the datagrams.",
		gauge, []label{planeName}, func(s Snapshot) []sample { return byLabel(map[string]int{s.DataPlane: 1}) }},
	{"turnpike_data_plane_feature", "What the data plane asked the kernel for: 1 in use, 0 not.",
		gauge, []label{feature}, func(s Snapshot) []sample { return byLabel(s.PlaneFeatures) }},
	{"turnpike_listener_buffer_bytes", "The smallest buffer that the kernel granted a socket of the UDP listeners.",
		gauge, []label{bufferOf}, func(s Snapshot) []sample { return byLabel(s.ListenerBuffers) }},
	{"turnpike_listener_overflowed_packets_total", "Datagrams that found no room in the receive buffer of a UDP listener.",
		counter, nil, func(s Snapshot) []sample { return single(s.ListenerOverflow) }},

	{"turnpike_stream_connections", "Open connections of the TURN listeners over TCP: opening (nothing to tell yet), tcp or tls.",
		gauge, []label{state}, func(s Snapshot) []sample { return byLabel(s.Streams) }},
	{"turnpike_stream_accepted_total", "TCP connections accepted by the TURN listeners.",
		counter, nil, func(s Snapshot) []sample { return single(s.StreamsAccepted) }},
	{"turnpike_stream_accept_errors_total", "Connections that the kernel did not hand over, often for want of file descriptors.",
		counter, nil, func(s Snapshot) []sample { return single(s.StreamAcceptErrors) }},
	{"turnpike_stream_closed_total", "TCP connections of the TURN listeners that were closed or refused, by reason.",
		counter, []label{reason}, func(s Snapshot) []sample { return byLabel(s.StreamsClosed) }},

	{"turnpike_stun_responses_total", "STUN answers sent, by method and code: success or the STUN error code.",
		counter, []label{method, code}, func(s Snapshot) []sample { return byPair(s.Responses) }},
	{"turnpike_permission_denied_total", "Peers refused by the policy, by the rule that refused them.",
		counter, []label{rule}, func(s Snapshot) []sample { return byLabel(s.PeerDenied) }},
	{"turnpike_auth_total", "Credentials verified, by result.",
		counter, []label{result}, func(s Snapshot) []sample { return byLabel(s.Auth) }},
	{"turnpike_quota_rejected_total", "Allocations refused because a quota was used up, by quota.",
		counter, []label{quota}, func(s Snapshot) []sample { return byLabel(s.QuotaRefused) }},

	{"turnpike_limit_decisions_total", "Decisions of the limits that nodes share, by limit: refused, shadowed (would have been), unheard (made without the store), over (let in beyond the limit, as was found out later).",
		counter, []label{limit, decision}, func(s Snapshot) []sample { return byPair(s.Limits) }},
	{"turnpike_store_up", "1 if the store of what nodes share can be asked, 0 if limits hold as their on_store_error says.",
		gauge, nil, func(s Snapshot) []sample { return single(s.StoreUp) }},
	{"turnpike_store_silence_seconds", "How long ago the store was last found there; what is spent is settled as often.",
		gauge, nil, func(s Snapshot) []sample { return single(s.StoreSilence) }},
	{"turnpike_store_away_total", "How often the store could not be asked any more.",
		counter, nil, func(s Snapshot) []sample { return single(s.StoreAway) }},
	{"turnpike_store_errors_total", "Calls of the store that failed.",
		counter, nil, func(s Snapshot) []sample { return single(s.StoreErrors) }},
	{"turnpike_store_operations_total", "Commands sent to Redis.",
		counter, nil, func(s Snapshot) []sample { return single(s.StoreOperations) }},
	{"turnpike_store_settled_total", "Settlements of bytes with the store.",
		counter, nil, func(s Snapshot) []sample { return single(s.StoreSettled) }},
	{"turnpike_store_lost_total", "What the store could not be told for want of room while it was away.",
		counter, nil, func(s Snapshot) []sample { return single(s.StoreLost) }},
	{"turnpike_store_questions_total", "Allocate requests that waited for the store.",
		counter, nil, func(s Snapshot) []sample { return single(s.Questions) }},
	{"turnpike_store_questions_waiting", "Allocate requests that wait for the store.",
		gauge, nil, func(s Snapshot) []sample { return single(s.QuestionsWaiting) }},
	{"turnpike_nodes", "Nodes that share the store and live, this one among them.",
		gauge, nil, func(s Snapshot) []sample { return single(s.Nodes) }},

	{"turnpike_sessions_ended_total", "Sessions that have ended, by reason.",
		counter, []label{reason}, func(s Snapshot) []sample { return byLabel(s.SessionsEnded) }},
	{"turnpike_revocations", "Credentials, users and keys that are revoked.",
		gauge, nil, func(s Snapshot) []sample { return single(s.Revocations) }},

	{"turnpike_credentials_issued_total", "Credentials issued over HTTP.",
		counter, nil, func(s Snapshot) []sample { return single(s.Minted) }},
	{"turnpike_issuer_requests_total", "Requests to the HTTP API, by route and code: ok or why one was refused.",
		counter, []label{route, code}, func(s Snapshot) []sample { return byPair(s.IssuerRequests) }},

	{"turnpike_session_records_lost_total", "Records of ended sessions that the log did not take in time.",
		counter, nil, func(s Snapshot) []sample { return single(s.RecordsLost) }},

	{"turnpike_accounting_waiting_bytes", "Records that wait for the accounting file.",
		gauge, nil, func(s Snapshot) []sample { return single(s.AccountingWaiting) }},
	{"turnpike_accounting_lost_total", "Records lost because the accounting file could not be written for too long.",
		counter, nil, func(s Snapshot) []sample { return single(s.AccountingLost) }},

	{"turnpike_log_lines_lost_total", "Log lines that the log did not take: too slow for them, full or gone.",
		counter, nil, func(s Snapshot) []sample { return single(s.LogLinesLost) }},

	{"turnpike_engine_queue_requests", "Requests waiting for the TURN engine.",
		gauge, nil, func(s Snapshot) []sample { return single(s.EngineQueue) }},
	{"turnpike_engine_stall_seconds", "How long the TURN engine has been at its present request; 0 when idle.",
		gauge, nil, func(s Snapshot) []sample { return single(s.EngineStallSeconds) }},
	{"turnpike_engine_faults_total", "What the TURN engine should never do, by fault; tell the developers.",
		counter, []label{fault}, func(s Snapshot) []sample { return byLabel(s.EngineFaults) }},
	{"turnpike_quota_accounts", "Users and tenants whose use is held in memory.",
		gauge, nil, func(s Snapshot) []sample { return single(s.Accounts) }},
	{"turnpike_config_last_reload_successful", "1 if the configuration in the files is in force, 0 if the last reload was refused and the one before stays.",
		gauge, nil, func(s Snapshot) []sample { return single(s.ReloadGood) }},
	{"turnpike_config_last_reload_success_timestamp_seconds", "Unix time at which the configuration in force was read or found unchanged.",
		gauge, nil, func(s Snapshot) []sample { return single(s.ReloadTime) }},
	{"turnpike_config_reloads_total", "Reloads of the configuration, by what became of them.",
		counter, []label{reloads}, func(s Snapshot) []sample { return byLabel(s.Reloads) }},
	{"turnpike_policy_generation", "Number of the peer policy in force; the one at the start is 1.",
		gauge, nil, func(s Snapshot) []sample { return single(s.PolicyGeneration) }},
	{"turnpike_policy_rules", "Lines of the peer policy in force, by list.",
		gauge, []label{list}, func(s Snapshot) []sample { return byLabel(s.PolicyRules) }},
	{"turnpike_tls_certificate_not_after_seconds", "Unix time at which a certificate expires, by what it is for.",
		gauge, []label{name}, func(s Snapshot) []sample { return byLabel(s.CertificateNotAfter) }},
	{"turnpike_tls_reload_errors_total", "Changed certificate files that could not be used; the certificate before stays.",
		counter, nil, func(s Snapshot) []sample { return single(s.CertificateErrors) }},
	{"turnpike_acme_orders_total", "Certificates asked of the certificate authority, by result.",
		counter, []label{orders}, func(s Snapshot) []sample { return byLabel(s.ACMEOrders) }},
	{"turnpike_acme_unknown_names_total", "TLS handshakes of clients that named a host that is not among acme.hosts; nothing is asked for it.",
		counter, nil, func(s Snapshot) []sample { return single(s.UnknownNames) }},
	{"turnpike_draining", "1 while the server drains: no new allocations, the running ones go on.",
		gauge, nil, func(s Snapshot) []sample { return single(s.Draining) }},
	{"turnpike_relay_ports_free", "Relay ports that have not been handed out.",
		gauge, nil, func(s Snapshot) []sample { return single(s.RelayPortsFree) }},
}
