package gate

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"turnpike/relay/dataplane"
	"turnpike/relay/relaytest"
)

const (
	// workSamples is how often each message is judged: the least of so many is
	// steady on a machine at work.
	workSamples = 500
	// worstWork is what the dearest message may cost, of a Refresh as clients
	// send it: 1,500 bytes take ten times the signature's and the CRC's time.
	worstWork = 12
	// doubleWork is what a message twice as long may cost: twice as much, where
	// a walk that begins anew at each attribute costs four times.
	doubleWork = 2.8
)

// judging makes the messages' judgement a thing to be timed.
func judging(r *rig, messages map[string]wireMsg) map[string]func() error {
	out := make([]byte, 0, dataplane.MaxControl)
	do := map[string]func() error{}
	for name, b := range messages {
		do[name] = func() error {
			r.g.Judge(Packet{Client: r.client, Data: b}, r.now, out)
			return nil
		}
	}
	return do
}

// The greediest message that fits a packet costs no more than a few usual ones.
func TestWorstMessage(t *testing.T) {
	r := newRig(t)
	r.session(r.alice)
	full := MaxPacket - 100 // room for what signs it
	messages := map[string]wireMsg{
		"usual":             newMsg(tRefresh).auth(r.alice, r.nonce()).fingerprint(),
		"128 unknown":       attributes(newMsg(tBinding), 128, unknownTypes),
		"128 optional":      attributes(newMsg(tBinding), 128, optionalTypes).fingerprint(),
		"129 attributes":    attributes(newMsg(tBinding), 129, unknownTypes),
		"64 peers":          peers(newMsg(tPermission), 64).auth(r.alice, r.nonce()),
		"90 peers":          peers(newMsg(tPermission), 90).auth(r.alice, r.nonce()),
		"signed, full":      newMsg(tRefresh).attr(0x8022, long(full-300)).auth(r.alice, r.nonce()),
		"wrong, full":       newMsg(tRefresh).attr(0x8022, long(full-300)).auth(creds{r.alice.username, testRealm, "x"}, r.nonce()),
		"stranger, full":    newMsg(tRefresh).attr(0x8022, long(full-300)).auth(creds{"1900000000:mallory", testRealm, "x"}, r.nonce()),
		"username":          newMsg(tRefresh).auth(creds{string(long(508)), testRealm, "x"}, r.nonce()),
		"nonce":             newMsg(tRefresh).auth(r.alice, string(long(maxNonce))),
		"long nonce":        newMsg(tRefresh).auth(r.alice, string(long(1200))),
		"fingerprints":      repeated(0x8028, 4),
		"integrities":       repeated(0x0008, 20),
		"fingerprint, full": newMsg(tBinding).attr(0x8022, long(full)).fingerprint(),
		"nested":            nested(newMsg(tBinding), full),
		"length beyond":     append(newMsg(tBinding).attr(0x8022, long(full)), 0, 6, 0xff, 0xff).setLen(0),
		"junk":              wireMsg(long(MaxPacket)),
	}
	for name, b := range messages {
		if len(b) > MaxPacket {
			t.Fatalf("%s has %d bytes", name, len(b))
		}
	}
	taken, err := relaytest.Interleave(workSamples, judging(r, messages))
	must(t, err)
	usual := taken["usual"].Least()
	for name, times := range taken {
		if ratio := times.Least() / usual; ratio > worstWork {
			t.Errorf("%s costs %.1f usual messages (%.0f ns), want %d at most", name, ratio, times.Least(), worstWork)
		} else {
			t.Logf("%-18s %5.2f usual, %6.0f ns, %4d bytes", name, ratio, times.Least(), len(messages[name]))
		}
	}
}

// Twice the attributes, peers or bytes take twice the time. The negative control
// is a walk that looks for each attribute from the beginning.
func TestWorkIsLinear(t *testing.T) {
	r := newRig(t)
	r.session(r.alice)
	grow := map[string]func(n int) wireMsg{
		"unknown attributes":  func(n int) wireMsg { return attributes(newMsg(tBinding), n, unknownTypes) },
		"optional attributes": func(n int) wireMsg { return attributes(newMsg(tBinding), n, optionalTypes) },
		"peers":               func(n int) wireMsg { return peers(newMsg(tPermission), n/2).auth(r.alice, r.nonce()) },
		"signed bytes":        func(n int) wireMsg { return newMsg(tRefresh).attr(0x8022, long(8*n)).auth(r.alice, r.nonce()) },
		"fingerprinted bytes": func(n int) wireMsg { return newMsg(tBinding).attr(0x8022, long(11*n)).fingerprint() },
		"nesting":             func(n int) wireMsg { return nested(newMsg(tBinding), 11*n) },
	}
	const most = 128
	messages := map[string]wireMsg{}
	for name, build := range grow {
		messages[name], messages[name+", twice"] = build(most/2), build(most)
	}
	do := judging(r, messages)
	const planted = "planted"
	grow[planted] = nil
	do[planted] = func() error { return quadratic(messages["optional attributes"]) }
	do[planted+", twice"] = func() error { return quadratic(messages["optional attributes, twice"]) }
	taken, err := relaytest.Interleave(workSamples, do)
	must(t, err)
	for name := range grow {
		ratio := taken[name+", twice"].Least() / taken[name].Least()
		t.Logf("%s: %.2f times", name, ratio)
		if got, want := ratio > doubleWork, name == planted; got != want {
			t.Errorf("%s: twice as much costs %.2f times, more than %.1f: %v, want %v", name, ratio, doubleWork, got, want)
		}
	}
}

// The types of attributes that nobody knows: some must be understood.
const (
	unknownTypes  = 0x7000
	optionalTypes = 0xC100
)

// attributes adds n of four bytes, each of a type of its own.
func attributes(w wireMsg, n int, first uint16) wireMsg {
	for i := range n {
		w = w.u32(first+uint16(i), 0)
	}
	return w
}

func peers(w wireMsg, n int) wireMsg {
	for i := range n {
		w = w.peer(fmt.Sprintf("203.0.%d.%d:9", 114+i/200, 1+i%200))
	}
	return w
}

// repeated is as many attributes of a type as fit.
func repeated(typ uint16, size int) wireMsg {
	w := newMsg(tBinding)
	for len(w)+4+size <= MaxPacket {
		w = w.attr(typ, make([]byte, size))
	}
	return w
}

// nested is an attribute that holds what looks like one that holds one, and so
// on, to the end.
func nested(w wireMsg, n int) wireMsg {
	inner := bytes.Repeat([]byte{0x80, 0x22, 0, 0}, n/4)
	for at := 0; at < len(inner); at += 4 {
		binary.BigEndian.PutUint16(inner[at+2:], uint16(len(inner)-at-4))
	}
	return w.attr(0x8022, inner)
}

// quadratic is how the walk must not be.
func quadratic(b []byte) error {
	for n := 1; ; n++ {
		rest := b[headerSize:]
		for range n {
			_, _, after, ok := next(rest)
			if !ok {
				return nil
			}
			rest = after
		}
	}
}
