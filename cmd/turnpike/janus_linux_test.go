package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"turnpike/pkg/issuer"
)

// Where the tests' Janus is: libnice uses no address of the loopback interface.
const (
	janusAddress = "93.184.217.2"
	janusAPI     = "http://127.0.0.1:8088/janus"
)

// Janus, configured with what `turnpike snippet janus` prints, asks the issuer for
// a credential as soon as a peer connection begins, by POST or GET, and gathers a
// relay of this server with it.
func TestJanus(t *testing.T) {
	if !inPublic(t) {
		return
	}
	addInterface(t, janusAddress)
	key, kept, err := issuer.NewAPIKey(rand.Reader, "janus")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "turnpike.yaml")
	writeFile(t, file, fmt.Sprintf(`version: 1
listen: [{address: "%s"}]
relay: %s
credentials: {issuer_keys: [{id: k, secret: %s}]}
issuer: {api_keys: [{id: janus, tenant: rooms, hash: "sha256:%x", allow_query_key: true}]}
operator: {listen: ["127.0.0.1:3481"]}
drain: {timeout: 0s}
`, publicTURN, publicRelay, randomText(43, "abcdefghijklmnopqrstuvwxyz1234567890"), kept.Hash))
	s := serveConfigured(t, file)
	settings := strings.Replace(snippetOf(t, file, "janus"), "API-KEY", key, 1)
	for _, method := range []string{"POST", "GET"} {
		t.Run(method, func(t *testing.T) {
			startJanus(t, strings.Replace(settings, `"POST"`, `"`+method+`"`, 1))
			user := "alice-" + method
			relay := regexp.MustCompile(`a=candidate:.* ` + regexp.QuoteMeta(publicTURN.Addr().String()) + ` \d+ typ relay`)
			if answer := echoJanus(t, user); !relay.MatchString(answer) {
				t.Errorf("Janus gathered no relay of %v:\n%s", publicTURN, answer)
			}
			s.WaitRecord(t, "the session of Janus", func(r record) bool { return r.Tenant == "rooms" && r.User == user })
		})
	}
}

// addInterface gives the namespace an interface beside lo, with an address. What
// is sent to this host's addresses goes over lo all the same.
func addInterface(t *testing.T, address string) {
	t.Helper()
	for _, args := range []string{"link add outside type veth peer name inside", "address add " + address + "/32 dev outside", "link set outside up", "link set inside up"} {
		if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v\n%s", args, err, out)
		}
	}
}

// startJanus runs a Janus with the echo test alone, and returns when it listens.
func startJanus(t *testing.T, nat string) {
	t.Helper()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "janus.jcfg"), `general: {
	debug_level = 5
	debug_colors = false
	debug_locks = false
}
media: { rtp_port_range = "20000-20100" }
plugins: { disable = "libjanus_audiobridge.so,libjanus_duktape.so,libjanus_lua.so,libjanus_nosip.so,libjanus_recordplay.so,libjanus_sip.so,libjanus_streaming.so,libjanus_textroom.so,libjanus_videocall.so,libjanus_videoroom.so,libjanus_voicemail.so" }
transports: { disable = "libjanus_mqtt.so,libjanus_nanomsg.so,libjanus_pfunix.so,libjanus_rabbitmq.so,libjanus_websockets.so" }
`+nat)
	writeFile(t, filepath.Join(dir, "janus.transport.http.jcfg"), `general: {
	base_path = "/janus"
	http = true
	port = 8088
	ip = "127.0.0.1"
	https = false
}
`)
	folders, err := filepath.Glob("/usr/lib/*/janus")
	if err != nil || len(folders) != 1 {
		t.Fatalf("Janus is in %q, %v: make deps", folders, err)
	}
	startApp(t, "janus", "-C", filepath.Join(dir, "janus.jcfg"), "-F", dir,
		"-P", folders[0]+"/plugins", "-i", janusAddress)
	waitListens(t, "127.0.0.1:8088")
}

// janusOffer is that of a browser that sends sound, as far as Janus reads it.
const janusOffer = `v=0
o=- 1 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0
m=audio 9 UDP/TLS/RTP/SAVPF 111
c=IN IP4 0.0.0.0
a=mid:0
a=sendrecv
a=rtcp-mux
a=ice-ufrag:abcd
a=ice-pwd:abcdefghijklmnopqrstuvwx
a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF
a=setup:actpass
a=rtpmap:111 opus/48000/2
a=ssrc:1 cname:test
`

// echoJanus begins a peer connection for a user and ends it. It returns the
// description that Janus answers with.
func echoJanus(t *testing.T, user string) string {
	t.Helper()
	session := fmt.Sprintf("%s/%d", janusAPI, askJanus(t, janusAPI, map[string]any{"janus": "create"}).Data.ID)
	handle := fmt.Sprintf("%s/%d", session, askJanus(t, session, map[string]any{
		"janus": "attach", "plugin": "janus.plugin.echotest", "opaque_id": user,
	}).Data.ID)
	askJanus(t, handle, map[string]any{
		"janus": "message", "body": map[string]any{"audio": true},
		"jsep": map[string]any{"type": "offer", "sdp": strings.ReplaceAll(janusOffer, "\n", "\r\n")},
	})
	for {
		if event := askJanus(t, session, nil); event.JSEP.SDP != "" {
			askJanus(t, session, map[string]any{"janus": "destroy"})
			return event.JSEP.SDP
		}
	}
}

// janusAnswer is what of its answers and events matters here.
type janusAnswer struct {
	Janus string          `json:"janus"`
	Error json.RawMessage `json:"error"`
	Data  struct {
		ID int64 `json:"id"`
	} `json:"data"`
	JSEP struct {
		SDP string `json:"sdp"`
	} `json:"jsep"`
}

// askJanus posts a request, or with none waits for an event.
func askJanus(t *testing.T, url string, request map[string]any) (got janusAnswer) {
	t.Helper()
	method, body := http.MethodGet, []byte(nil)
	if request != nil {
		request["transaction"] = "t"
		method = http.MethodPost
		body, _ = json.Marshal(request)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	text := fetch(t, r)
	if err := json.Unmarshal(text, &got); err != nil || got.Janus == "error" || got.Janus == "keepalive" {
		t.Fatalf("Janus: %v\n%s", err, text)
	}
	return got
}
