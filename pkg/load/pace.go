package load

import "time"

// pace says when a direction is due to send. It is arithmetic only: the time is
// an argument, in nanoseconds since some beginning.
type pace struct {
	rate  float64 // packets a second
	start int64
	sent  int64 // since start, with those given up
}

// catchUp bounds what is sent at once after a pause: more would be a burst that
// nobody asked for, and measure how deep the buffers are.
const catchUp = 20 * time.Millisecond

// due is how many packets are to be sent now, how many it is too late for, and if
// none, how long it is until there is one.
func (p *pace) due(now int64) (packets, late int, wait time.Duration) {
	elapsed := now - p.start
	owed := int64(p.rate*float64(elapsed)/1e9) + 1 - p.sent // the first at once
	if elapsed < 0 || owed <= 0 {
		next := int64(float64(p.sent) / p.rate * 1e9)
		return 0, 0, time.Duration(max(next-elapsed, 1))
	}
	if most := max(int64(p.rate*catchUp.Seconds()), 1); owed > most {
		late = int(owed - most)
		p.sent += owed - most
		owed = most
	}
	return int(owed), late, 0
}

// took says how many were sent.
func (p *pace) took(packets int) { p.sent += int64(packets) }
