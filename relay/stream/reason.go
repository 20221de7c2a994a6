package stream

// Reason says why a connection is over.
type Reason uint8

const (
	Alive            Reason = iota // it is not over
	Denied                         // refused or cut: Options.Admit
	MaxConns                       // refused: Options.MaxConns
	MaxConnsPerIP                  // refused: Options.MaxConnsPerIP
	MaxHandshakes                  // refused or cut: Options.MaxHandshakes, or its source has half of them
	NotTURN                        // the first byte begins neither TLS nor a message
	WrongKind                      // TLS where only TCP is served, or the other way round
	BadProxy                       // a proxy's PROXY header is missing, malformed or names no client
	HandshakeFailed                // the TLS handshake failed
	Validated                      // the handshake was all that a certificate authority wanted
	HandshakeTimeout               // Options.Handshake
	FirstFrame                     // Options.FirstFrame
	FrameTimeout                   // Options.FrameTime
	Unauthenticated                // Options.Authenticate
	Idle                           // Options.Idle
	SlowReader                     // the client does not read the answers to its requests
	WriteTimeout                   // Options.Write
	Malformed                      // neither STUN nor ChannelData, where a message must begin
	Oversize                       // a message larger than any buffer
	ClosedByClient                 // the client closed or lost the connection
	ClosedByUs                     // Conn.Close
	Shutdown                       // Server.Close
	NumReasons       int    = iota
)

var reasonNames = [NumReasons]string{
	Alive: "alive", Denied: "client_denied", MaxConns: "max_conns", MaxConnsPerIP: "max_conns_per_ip", MaxHandshakes: "max_handshakes",
	NotTURN: "not_turn", WrongKind: "wrong_kind", BadProxy: "proxy", HandshakeFailed: "handshake", Validated: "validated",
	HandshakeTimeout: "handshake_timeout", FirstFrame: "first_frame", FrameTimeout: "frame_timeout",
	Unauthenticated: "unauthenticated", Idle: "idle", SlowReader: "slow_reader", WriteTimeout: "write_timeout",
	Malformed: "malformed", Oversize: "oversize", ClosedByClient: "closed_by_client",
	ClosedByUs: "closed_by_us", Shutdown: "shutdown",
}

// String is the reason's name in metrics and records.
func (r Reason) String() string { return name(reasonNames[:], int(r)) }

// gentle reports whether the client still gets what is queued for it. Everyone
// else is cut off with a reset, which leaves nothing in the kernel: an
// orphaned socket with a full send buffer would stay for minutes.
func (r Reason) gentle() bool {
	switch r {
	case HandshakeFailed, Validated, Unauthenticated, Idle, ClosedByClient, ClosedByUs, Shutdown:
		return true
	}
	return false
}

// State is how far an open connection has come.
type State uint8

const (
	Opening   State = iota // PROXY header, first byte or TLS handshake are not there yet
	TCP                    // messages over TCP
	TLS                    // messages over TLS
	NumStates int   = iota
)

var stateNames = [NumStates]string{Opening: "opening", TCP: "tcp", TLS: "tls"}

// String is the state's name in metrics.
func (s State) String() string { return name(stateNames[:], int(s)) }

// name is the i-th name, or "unknown".
func name(names []string, i int) string {
	if i < len(names) {
		return names[i]
	}
	return "unknown"
}
