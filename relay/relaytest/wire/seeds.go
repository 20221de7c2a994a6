package wire

import (
	_ "embed"
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"
)

//go:embed captured.txt
var captured string

// Captured are messages of real clients: Chromium and coturn's.
func Captured() ([][]byte, error) {
	var all [][]byte
	for line := range strings.Lines(captured) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		_, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		b, err := hex.DecodeString(text)
		if err != nil {
			return nil, err
		}
		all = append(all, b)
	}
	return all, nil
}

// Requests are the messages of the table as a client sends them that was given a
// nonce, a token and an allocation.
func Requests() [][]byte {
	in := anyTuple()
	var all [][]byte
	for _, c := range Cases() {
		for _, s := range c.Steps {
			if len(s.send) > 16 { // one message in hundreds of types
				continue
			}
			for _, m := range s.send {
				all = append(all, m.bytes(in))
			}
		}
	}
	slices.SortFunc(all, slices.Compare)
	return slices.CompactFunc(all, slices.Equal)
}

// Seeds are the table's messages and the captured ones, for fuzzers.
func Seeds() ([][]byte, error) {
	real, err := Captured()
	return append(Requests(), real...), err
}

// Usernames are those in Seeds.
func Usernames() ([]string, error) {
	seeds, err := Seeds()
	var all []string
	for _, b := range seeds {
		if v, ok := find(b, attrUsername); ok {
			all = append(all, string(v))
		}
	}
	slices.Sort(all)
	return slices.Compact(all), err
}

// anyTuple is a five-tuple that talks to nobody.
func anyTuple() *tuple {
	const alice = "YWxpY2UncyBwYXNzd29yZA=="
	s := &Server{Realm: "example.org", Users: map[Who]User{
		Alice: {"1800003600:alice", alice}, Bob: {"1800003600:bob", "Ym9iJ3MgcGFzc3dvcmQ="}, Expired: {"1799999940:alice", alice},
		Jitsi: {"1800003600", alice}, Synapse: {"1800003600:@alice:example.org", alice}, Swapped: {"alice:1800003600", alice},
	}}
	s.Nonce = func(Over, netip.AddrPort, int) string { return "a0nQAAAAAAAAAAAA" }
	d := &dialog{server: s, over: UDP, tuples: map[string]*tuple{}, token: []byte("reserved")}
	for _, name := range []string{"", "b", "c", "d"} {
		d.tuples[name] = &tuple{dialog: d, nonce: s.Nonce(UDP, Listener, 0), relayed: Listener}
	}
	return d.tuples[""]
}
