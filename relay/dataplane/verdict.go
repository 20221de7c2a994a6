package dataplane

// Verdict says what became of a datagram: Allow, or the reason it was dropped.
type Verdict uint8

const (
	Allow        Verdict = iota
	NoFlow               // ChannelData or Send of a client without an allocation
	NoChannel            // channel number not bound
	NoPermission         // no permission for the peer, or it lapsed
	PolicyPeer           // the policy forbids the peer's address and port
	RateSession          // over the session's bit rate
	RateUser             // over the user's bit rate
	QuotaBytes           // the user's bytes a day are spent
	RatePeers            // too many peers that the session had not sent to before
	Ended                // the session has ended
	Malformed            // truncated ChannelData, impossible source
	Oversize             // larger than the plane carries, or than the client can take
	OwnRelay             // came over the network from one of our own relay addresses
	SocketFull           // the kernel's send buffer is full (EAGAIN)
	QueueFull            // the TCP or TLS client does not read what waits for it
	ReceiveFull          // the relay socket's receive buffer was full: the kernel dropped it
	SendError            // the kernel refused to send (no route, ...)
	NumVerdicts  int     = iota
)

var verdictNames = [NumVerdicts]string{
	Allow: "allow", NoFlow: "no_flow", NoChannel: "no_channel", NoPermission: "no_permission",
	PolicyPeer: "policy", RateSession: "rate_session", RateUser: "rate_user", QuotaBytes: "quota_bytes", RatePeers: "rate_peers",
	Ended: "ended", Malformed: "malformed", Oversize: "oversize", OwnRelay: "own_relay",
	SocketFull: "socket_full", QueueFull: "queue_full", ReceiveFull: "receive_full", SendError: "send_error",
}

// String is the verdict's name in metrics and records.
func (v Verdict) String() string {
	if int(v) < NumVerdicts {
		return verdictNames[v]
	}
	return "unknown"
}
