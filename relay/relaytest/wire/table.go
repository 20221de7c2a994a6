package wire

import "slices"

// Table is all cases, in the order of the page.
func Table() []Chapter {
	return []Chapter{
		{"Binding", bindings()},
		{"What is no message, or none of ours", shapes()},
		{"Credentials", credentialCases()},
		{"Allocate", allocates()},
		{"Ports and families", ports()},
		{"Refresh", refreshes()},
		{"CreatePermission", permissions()},
		{"ChannelBind", channels()},
		{"Data", datas()},
		{"Streams", streams()},
	}
}

// Chapter is a part of the table.
type Chapter struct {
	Title string
	Cases []Case
}

// Entry is a case in its chapter.
type Entry struct {
	Case
	Chapter string
}

// Key names the entry among all.
func (e *Entry) Key() string { return e.Chapter + ": " + e.Name }

// Cases are those of all chapters.
func Cases() []Entry {
	var all []Entry
	for _, chapter := range Table() {
		for _, c := range chapter.Cases {
			all = append(all, Entry{c, chapter.Title})
		}
	}
	return all
}

// Requests are the messages of the table as a client sends them that was given a
// nonce, a token and an allocation: seeds for fuzzers.
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

// anyTuple is a five-tuple that talks to nobody.
func anyTuple() *tuple {
	s := &Server{Realm: "example.org", Relay: Listener.Addr(), Users: map[Who]User{
		Alice: {"1800003600:alice", "YWxpY2UncyBwYXNzd29yZA=="}, Bob: {"1800003600:bob", "Ym9iJ3MgcGFzc3dvcmQ="},
		Expired: {"1799999940:alice", "YWxpY2UncyBwYXNzd29yZA=="}, Jitsi: {"1800003600", "YW55Ym9keQ=="},
		Synapse: {"1800003600:@alice:example.org", "YWxpY2U="}, Swapped: {"alice:1800003600", "YWxpY2U="},
	}}
	d := &dialog{server: s, over: UDP, tuples: map[string]*tuple{}, token: []byte("reserved")}
	for _, name := range []string{"", "b", "c", "d"} {
		d.tuples[name] = &tuple{dialog: d, nonce: "a0nQAAAAAAAAAAAA"}
	}
	return d.tuples[""]
}
