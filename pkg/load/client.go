package load

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"
)

// user is who a client is to the server.
type user struct{ name, password string }

// client is one TURN client: its line, its allocation, and the requests that
// make and keep it. It asks one thing at a time.
type client struct {
	index uint32
	user  user
	line  *line
	desks *desks

	realm, nonce string
	key          []byte
	relayed      netip.AddrPort
	lifetime     time.Duration

	mu      sync.Mutex // guards the two below
	waiting transactionID
	answer  []byte

	answered chan struct{} // the answer is there
}

func newClient(index uint32, u user, l *line, d *desks) *client {
	return &client{index: index, user: u, line: l, desks: d, answered: make(chan struct{}, 1)}
}

// firstWait is RTO of RFC 8489 §6.2.1. The patience is less than there: a
// server that takes seconds to answer has shown what was to be measured.
const (
	firstWait  = 500 * time.Millisecond
	attempts   = 4 // at 0, 0.5, 1.5 and 3.5 s; given up at 7.5 s
	streamWait = 7500 * time.Millisecond
)

var errSilence = errors.New("no answer")

// refusal is an error response.
type refusal struct {
	method uint16
	code   int
	reason string
}

func (e *refusal) Error() string {
	reason := e.reason
	if reason == "" { // a server may save the bytes
		reason = reasons[e.code]
	}
	return fmt.Sprintf("%d %s to %s", e.code, reason, methodName(e.method))
}

// reasons are the codes' names in RFC 8489 §14.8 and RFC 8656 §19.
var reasons = map[int]string{
	300: "Try Alternate", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 420: "Unknown Attribute", 437: "Allocation Mismatch",
	438: "Stale Nonce", 440: "Address Family not Supported", 441: "Wrong Credentials", 442: "Unsupported Transport Protocol",
	443: "Peer Address Family Mismatch", 486: "Allocation Quota Reached", 500: "Server Error", 508: "Insufficient Capacity",
}

// request does a request with authentication. attrs appends attributes.
func (c *client) request(method uint16, attrs func(b []byte) []byte) (response, error) {
	for try := 0; ; try++ {
		r, err := c.exchange(method, attrs)
		switch {
		case err != nil:
			return r, err
		case r.success():
			return r, nil
		case try < 2 && len(r.nonce) > 0 && (r.code == 401 && c.key == nil || r.code == 438):
			c.learn(&r)
		default:
			return r, &refusal{method, r.code, printable(r.reason)}
		}
	}
}

// learn takes what the server's challenge tells.
func (c *client) learn(r *response) {
	if realm := string(r.realm); realm != c.realm || c.key == nil {
		c.realm, c.key = realm, longTermKey(c.user.name, realm, c.user.password)
	}
	c.nonce = string(r.nonce)
}

// printable is a foreign text, fit to be shown.
func printable(b []byte) string {
	out := []rune{}
	for _, r := range string(b[:min(len(b), 100)]) {
		if r < ' ' || r == 0x7f || r == 0xfffd {
			r = '?'
		}
		out = append(out, r)
	}
	return string(out)
}

// exchange sends a request, again while nothing comes, and returns the response.
func (c *client) exchange(method uint16, attrs func(b []byte) []byte) (response, error) {
	id := c.newID()
	b := begin(make([]byte, 0, 512), method, id)
	b = attrs(b)
	if c.key != nil {
		b = sign(b, c.user.name, c.realm, c.nonce, c.key)
	}
	b = finish(b)
	select {
	case <-c.answered: // one that came too late
	default:
	}
	c.expect(id)
	answer, err := c.await(b)
	if err != nil {
		return response{}, fmt.Errorf("%s: %w", methodName(method), err)
	}
	r, ok := parseResponse(answer)
	if !ok || r.method() != method {
		return r, fmt.Errorf("%s: the answer is malformed", methodName(method))
	}
	if r.success() && c.key != nil && !r.verify(answer, c.key) {
		return r, fmt.Errorf("%s: the MESSAGE-INTEGRITY of the answer is missing or wrong", methodName(method))
	}
	return r, nil
}

func (c *client) newID() (id transactionID) {
	for i := range id[4:] {
		id[4+i] = byte(rand.Uint32())
	}
	id[0], id[1], id[2], id[3] = byte(c.index>>24), byte(c.index>>16), byte(c.index>>8), byte(c.index)
	return id
}

// indexOf is whose request a response answers.
func indexOf(b []byte) uint32 {
	return uint32(b[8])<<24 | uint32(b[9])<<16 | uint32(b[10])<<8 | uint32(b[11])
}

func (c *client) expect(id transactionID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting, c.answer = id, nil
}

// take takes a response, if it is the one that is waited for.
func (c *client) take(b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.answer != nil || !sameID(b, &c.waiting) {
		return
	}
	c.answer = append([]byte(nil), b...)
	select {
	case c.answered <- struct{}{}:
	default:
	}
}

// await sends the request and waits for the answer.
func (c *client) await(request []byte) ([]byte, error) {
	wait, tries := firstWait, attempts
	if c.line.stream != nil {
		wait, tries = streamWait, 1
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	var gone chan struct{}
	if c.line.stream != nil {
		gone = c.line.stream.gone
	}
	for range tries {
		c.send(request)
		select {
		case <-c.answered:
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.answer, nil
		case <-gone:
			return nil, errBroken
		case <-timer.C:
		}
		wait *= 2
		timer.Reset(wait)
	}
	if c.line.socket != nil {
		if _, err := c.line.socket.fault.told(); err != nil {
			return nil, fmt.Errorf("%w (%w)", errSilence, err)
		}
	}
	return nil, errSilence
}

var errBroken = errors.New("the server has closed the connection")

func (c *client) send(b []byte) {
	if c.line.stream != nil {
		c.line.stream.write(b)
		return
	}
	k := c.desks.get()
	defer c.desks.put(k)
	k.out.add(c.line.socket, c.line.to, c.line.local, b, len(b))
	k.out.flush()
}
