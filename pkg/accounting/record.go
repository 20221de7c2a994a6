package accounting

import (
	"net/netip"
	"time"
)

// Of Kind: what a record is about.
const (
	KindSession    = "session"
	KindCredential = "credential"
)

// Session is what there is to say of a session at its end. Bytes are of payload:
// neither STUN nor ChannelData framing counts.
type Session struct {
	Kind    string `json:"kind"`
	Key     string `json:"key"` // node/id
	Session string `json:"session"`
	Node    string `json:"node,omitempty"`

	Tenant     string `json:"tenant"`
	User       string `json:"user"`
	Role       string `json:"role"`
	Credential string `json:"credential,omitempty"` // none of applications' own

	Start      time.Time `json:"start"` // UTC
	End        time.Time `json:"end"`
	DurationMS int64     `json:"duration_ms"`
	Reason     string    `json:"reason"` // of the end

	Transport string         `json:"transport"`
	Client    netip.AddrPort `json:"client"`
	Relayed   netip.AddrPort `json:"relayed"`

	BytesToPeer     uint64 `json:"bytes_to_peer"`
	BytesToClient   uint64 `json:"bytes_to_client"`
	PacketsToPeer   uint64 `json:"packets_to_peer"`
	PacketsToClient uint64 `json:"packets_to_client"`
}

// Credential carries what an application wanted to find again with the sessions
// of a credential.
type Credential struct {
	Kind       string    `json:"kind"`
	Key        string    `json:"key"` // credential/id
	Credential string    `json:"credential"`
	Node       string    `json:"node,omitempty"`
	Tenant     string    `json:"tenant"`
	User       string    `json:"user"`
	Role       string    `json:"role"`
	APIKey     string    `json:"api_key"`
	Issued     time.Time `json:"issued"` // UTC
	Expires    time.Time `json:"expires"`
	Label      string    `json:"label,omitempty"`
	ConsentRef string    `json:"consent_ref,omitempty"`
}
