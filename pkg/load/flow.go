package load

// flow is one client's packets in one direction: what was sent, what arrived,
// and how evenly.
type flow struct {
	sent uint64 // the next sequence number

	next uint64 // behind the highest that arrived
	seen uint64 // which of the 64 before next arrived; bit 0: next-1

	jitter  int64 // RFC 3550 §A.8: nanoseconds, scaled by 16
	transit int64
	timed   bool // transit is there
}

// arrive takes the sequence number of a packet that arrived. False: it was not
// sent, or arrived before. One that is more than 64 late is taken on trust.
func (f *flow) arrive(seq uint64) bool {
	switch {
	case seq >= f.sent:
		return false
	case seq >= f.next:
		f.seen = f.seen<<min(seq-f.next+1, 64) | 1
		f.next = seq + 1
		return true
	}
	late := f.next - 1 - seq
	if late >= 64 {
		return true
	}
	if f.seen&(1<<late) != 0 {
		return false
	}
	f.seen |= 1 << late
	return true
}

// time takes the transit time of a packet, in nanoseconds, into the interarrival
// jitter as RFC 3550 §6.4.1 has it.
func (f *flow) time(transit int64) {
	d := transit - f.transit
	f.transit = transit
	if !f.timed {
		f.timed = true
		return
	}
	if d < 0 {
		d = -d
	}
	f.jitter += d - (f.jitter+8)>>4
}

// forget begins the jitter anew.
func (f *flow) forget() { f.jitter, f.timed = 0, false }
