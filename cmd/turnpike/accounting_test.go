package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"turnpike/pkg/accounting"
	"turnpike/pkg/issuer"
	"turnpike/relay"
)

// What a session and its credential were is in the file and in the stream, once
// each and under the same keys.
func TestAccounts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "accounting.jsonl")
	a, err := openAccounts("n1", path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var stream []string
	a.stream = func(key string, payload []byte) { stream = append(stream, key+" "+string(payload)+"\n") }
	stop := a.run()
	start := time.Date(2026, 11, 25, 13, 0, 0, 0, time.FixedZone("", 3600))
	a.credential(issuer.Issued{ID: "c1", User: "alice"}) // nothing to remember
	a.credential(issuer.Issued{ID: "c2", User: "alice", Tenant: "acme", Role: "guest", APIKey: "app", At: start, Expires: start.Add(time.Hour), Label: "room 7", ConsentRef: "c-481"})
	a.session(relay.Record{
		ID: "s1", Why: relay.EndIdle, User: "alice", Tenant: "acme", Role: "guest", CredentialID: "c2", Transport: "udp",
		Client: netip.MustParseAddrPort("198.51.100.7:9"), Relayed: netip.MustParseAddrPort("[2001:db8::1]:50000"),
		Start: start, End: start.Add(1500 * time.Millisecond), PacketsToPeer: 1, BytesToPeer: 2, PacketsToClient: 3, BytesToClient: 4,
	})
	stop()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`{"kind":"credential","key":"credential/c2","credential":"c2","node":"n1","tenant":"acme","user":"alice","role":"guest","api_key":"app",` +
			`"issued":"2026-11-25T12:00:00Z","expires":"2026-11-25T13:00:00Z","label":"room 7","consent_ref":"c-481"}`,
		`{"kind":"session","key":"n1/s1","session":"s1","node":"n1","tenant":"acme","user":"alice","role":"guest","credential":"c2",` +
			`"start":"2026-11-25T12:00:00Z","end":"2026-11-25T12:00:01.5Z","duration_ms":1500,"reason":"idle","transport":"udp",` +
			`"client":"198.51.100.7:9","relayed":"[2001:db8::1]:50000","bytes_to_peer":2,"bytes_to_client":4,"packets_to_peer":1,"packets_to_client":3}`,
	}
	if got := strings.Join(want, "\n") + "\n"; string(text) != got {
		t.Errorf("the file has\n%swant\n%s", text, got)
	}
	if got := fmt.Sprintf("credential/c2 %s\nn1/s1 %s\n", want[0], want[1]); strings.Join(stream, "") != got {
		t.Errorf("the stream has\n%s", strings.Join(stream, ""))
	}
}

// docs/accounting.md shows each field of a record.
func TestAccountingPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/accounting.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, record := range []any{accounting.Session{Node: "n", Credential: "c"}, accounting.Credential{Node: "n", Label: "l", ConsentRef: "r"}} {
		text, err := json.Marshal(record)
		if err != nil {
			t.Fatal(err)
		}
		fields := map[string]any{}
		if err := json.Unmarshal(text, &fields); err != nil {
			t.Fatal(err)
		}
		for name := range fields {
			if !strings.Contains(string(page), "| `"+name+"`") && !strings.Contains(string(page), ", `"+name+"`") {
				t.Errorf("%T: %s is not documented", record, name)
			}
		}
	}
}
