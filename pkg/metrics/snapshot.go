package metrics

// Snapshot is the server in numbers at one moment. The caller fills it at each
// scrape from the counters of the packages at work. Maps go from label values
// to numbers; a nil map exports nothing. Counters (uint64) never go back.
type Snapshot struct {
	// Allocations is the live allocations, by {transport of the client: udp,
	// tcp, tls; family of the relayed address: ipv4, ipv6}.
	Allocations map[[2]string]int
	// AllocationsTotal counts Allocate requests that were decided, by result:
	// "success" or what stood in the way ("quota").
	AllocationsTotal map[string]uint64

	// RelayBytes and RelayPackets count relayed datagrams and their payload
	// without framing, by {direction: to_peer, to_client; transport}.
	RelayBytes, RelayPackets map[[2]string]uint64
	// HandedOver counts datagrams that went from one relay of ours to another
	// inside the process. They are part of RelayPackets as well.
	HandedOver uint64
	// Dropped counts datagrams that went nowhere, by {stage, reason}; stage is
	// control (before an answer) or data (relayed traffic).
	Dropped map[[2]string]uint64
	// ICMPErrors counts ICMP errors about relayed datagrams, by what became of them.
	ICMPErrors map[string]uint64

	// DataPlane is the name of the data plane, PlaneFeatures what it asked the
	// kernel for: 1 in use, 0 not.
	DataPlane     string
	PlaneFeatures map[string]int
	// ListenerBuffers is the smallest buffer of the UDP listeners' sockets in
	// bytes, by direction: receive, send. ListenerOverflow counts datagrams
	// that found no room there.
	ListenerBuffers  map[string]int
	ListenerOverflow uint64

	// Streams is the open connections over TCP, by state: opening, tcp, tls.
	Streams map[string]int
	// StreamsAccepted counts them since the start, StreamsClosed those closed
	// or refused, by reason.
	StreamsAccepted uint64
	StreamsClosed   map[string]uint64
	// StreamAcceptErrors counts accepts that failed.
	StreamAcceptErrors uint64

	// Responses counts STUN answers, by {method, code}; code is "success" or
	// the error code ("401").
	Responses map[[2]string]uint64
	// PeerDenied counts peers refused by the policy, by rule.
	PeerDenied map[string]uint64
	// Auth counts verified credentials by outcome.
	Auth map[string]uint64
	// QuotaRefused counts reservations refused, by the quota that was full.
	QuotaRefused map[string]uint64

	// Limits count what the limits that nodes share have decided, by {limit, what}:
	// refused, shadowed (would have been refused), unheard (the store could not be
	// asked), over (let in beyond the limit).
	Limits map[[2]string]uint64
	// StoreUp is 1 if what nodes share can be asked, StoreSilence how many seconds
	// ago it was last found there.
	StoreUp      int
	StoreSilence float64
	// StoreAway counts how often it could not be asked any more, StoreErrors each
	// call that failed, StoreOperations the commands that it was given.
	StoreAway, StoreErrors, StoreOperations uint64
	// StoreLost counts what could not be told it for want of room, StoreSettled the
	// accounts that were settled.
	StoreLost, StoreSettled uint64
	// Questions counts Allocates that waited for its answer, QuestionsWaiting those
	// that do now.
	Questions        uint64
	QuestionsWaiting int
	// Nodes is the nodes that share it and live.
	Nodes int

	// SessionsEnded counts sessions by what ended them.
	SessionsEnded map[string]uint64
	// Revocations is what is revoked: credentials, users and keys.
	Revocations int

	// Minted counts credentials issued over HTTP, IssuerRequests the requests by
	// {route, code}; code is "ok" or why one was refused.
	Minted         uint64
	IssuerRequests map[[2]string]uint64

	// RecordsLost counts records of ended sessions that nobody took in time.
	RecordsLost uint64
	// AccountingWaiting is the bytes that wait for the accounting file,
	// AccountingLost the records that found no room to wait.
	AccountingWaiting int
	AccountingLost    uint64
	// LogLinesLost counts other lines that the log did not take in time.
	LogLinesLost uint64

	// EngineQueue is the requests that wait for the TURN engine now.
	EngineQueue int
	// EngineStallSeconds is how long the engine has been at its present
	// request; 0 when idle.
	EngineStallSeconds float64
	// EngineFaults counts what the engine should never see, by fault. All are 0
	// while pion does as it was read.
	EngineFaults map[string]uint64
	// Accounts is the users and tenants whose use is held in memory.
	Accounts int
	// ReloadGood is 1 if the last reload was taken over, 0 if it was refused;
	// ReloadTime, in Unix seconds, when the configuration in force was last found
	// to be what the files say; Reloads counts what became of them: changed,
	// unchanged, refused.
	ReloadGood int
	ReloadTime float64
	Reloads    map[string]uint64
	// PolicyGeneration numbers the policy in force.
	PolicyGeneration uint64
	// PolicyRules is the operator's lines in force, by list: allow, deny.
	PolicyRules map[string]int
	// CertificateNotAfter is when certificates expire in Unix seconds, by what
	// they are for: relay, issuer; 0 while there is none yet. CertificateErrors
	// counts changed files that could not be used.
	CertificateNotAfter map[string]float64
	CertificateErrors   uint64
	// ACMEOrders counts certificates asked for, by what became of it: issued,
	// failed. UnknownNames counts TLS clients that named a host that is not ours.
	ACMEOrders   map[string]uint64
	UnknownNames uint64
	// Draining is 1 while the server drains.
	Draining int
	// RelayPortsFree is the relay ports that have not been handed out.
	RelayPortsFree int
}
