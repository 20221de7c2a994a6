package ratelimit

// Refusal says which limit stood in the way; None if none did.
type Refusal uint8

const (
	None Refusal = iota

	// Of Meter.Take.
	SessionRate // the session's bit rate
	UserRate    // the user's bit rate, all sessions together
	DayBytes    // the datagram is larger than what is left of the user's bytes today

	// Of Ledger.Reserve.
	UserAllocations    // the user has as many allocations as it may
	TenantAllocations  // the tenant has
	DayBytesSpent      // nothing is left of the user's bytes today
	AccountsFull       // the table of accounts is full, and nothing old can go
	NetworkAllocations // the client's network has as many allocations as it may

	// Of Shared.Reserve and Shared.Mint.
	RateReached // the user makes too many a minute
	StoreAway   // the store can't be asked, and the limit says deny

	NumRefusals int = iota
)

var refusalNames = [NumRefusals]string{
	None: "none", SessionRate: "session_rate", UserRate: "user_rate", DayBytes: "day_bytes",
	UserAllocations: "user_allocations", TenantAllocations: "tenant_allocations",
	DayBytesSpent: "day_bytes_spent", AccountsFull: "accounts_full",
	NetworkAllocations: "network_allocations", RateReached: "rate_reached", StoreAway: "store_away",
}

// String is the refusal's name in metrics and records.
func (r Refusal) String() string {
	if int(r) < NumRefusals {
		return refusalNames[r]
	}
	return "unknown"
}
