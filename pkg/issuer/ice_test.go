package issuer

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"turnpike/auth"
)

func (b *bed) mustPost(t *testing.T, body string) ([]byte, answer) {
	t.Helper()
	w := b.post(body, func(r *http.Request) { r.Header.Set("X-Request-Id", "test") })
	var a answer
	if err := json.Unmarshal(w.Body.Bytes(), &a); w.Code != http.StatusOK || err != nil {
		t.Fatalf("%d %v: %s", w.Code, err, w.Body)
	}
	h := w.Header()
	if h.Get("Content-Type") != "application/json" || h.Get("Cache-Control") != "no-store" || h.Get("Vary") != "Origin" || h.Get("X-Request-Id") != "test" || h.Get("Server") != "" {
		t.Errorf("headers %v", h)
	}
	return w.Body.Bytes(), a
}

func TestSuccess(t *testing.T) {
	tests := []struct {
		name, body string
		maxTTL     time.Duration // of the key
		roles      []string      // of the key; nil: default and guest
		user, role string        // user "" means the credential's id
		ttl        int64
		policy     string
	}{
		{"no body", "", 0, nil, "", "default", 86400, "all"},
		{"empty object", "{}", 0, nil, "", "default", 86400, "all"},
		{"user", `{"user":"alice"}`, 0, nil, "alice", "default", 86400, "all"},
		{"all fields", `{"user":"alice","ttl":60,"role":"guest"}`, 0, nil, "alice", "guest", 60, "relay"},
		{"white space", " {\n\"ttl\" : 60 }\t", 0, nil, "", "default", 60, "all"},
		{"a user of all sorts", `{"user":"@alice:example.org <b> 世 \" \\ \ud83d\ude00"}`, 0, nil, `@alice:example.org <b> 世 " \ 😀`, "default", 86400, "all"},
		{"longest user", `{"user":"` + strings.Repeat("a", 128) + `"}`, 0, nil, strings.Repeat("a", 128), "default", 86400, "all"},
		{"largest body", `{"user":"a"` + strings.Repeat(" ", maxBody-12) + "}", 0, nil, "a", "default", 86400, "all"},
		{"shortest ttl", `{"ttl":1}`, 0, nil, "", "default", 1, "all"},
		{"longest ttl", `{"ttl":172800}`, 0, nil, "", "default", 172800, "all"},
		{"the key's cap is the default", "", 90 * time.Second, nil, "", "default", 90, "all"},
		{"the key's cap", `{"ttl":90}`, 90 * time.Second, nil, "", "default", 90, "all"},
		{"a cap beyond the role's", `{"role":"guest"}`, 9 * time.Hour, nil, "", "guest", 3600, "relay"},
		{"the key's first role", "", 0, []string{"guest", "default"}, "", "guest", 3600, "relay"},
		{"a key without roles", `{"role":"default"}`, 0, []string{}, "", "default", 86400, "all"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t, func(o *Options) {
				o.Keys[0].MaxTTL = tt.maxTTL
				if tt.roles != nil {
					o.Keys[0].Roles = tt.roles
				}
			})
			_, a := b.mustPost(t, tt.body)
			user := tt.user
			if user == "" {
				user = a.ID
			}
			expires := start.Add(time.Duration(tt.ttl) * time.Second)
			username := fmt.Sprintf("%d:~k1.%s.%s.acme:%s", expires.Unix(), tt.role, a.ID, user)
			if a.Username != username || a.ID == "" {
				t.Errorf("username %q, want %q", a.Username, username)
			}
			mac := hmac.New(sha1.New, masterKey)
			mac.Write([]byte(username))
			if password := base64.StdEncoding.EncodeToString(mac.Sum(nil)); a.Password != password || a.Credential != password {
				t.Errorf("password %q, credential %q, want %q", a.Password, a.Credential, password)
			}
			if a.TTL != tt.ttl || a.ExpiresAt != expires.UTC().Format("2006-01-02T15:04:05Z") || a.ICETransportPolicy != tt.policy {
				t.Errorf("ttl %d, expires_at %s, policy %s", a.TTL, a.ExpiresAt, a.ICETransportPolicy)
			}
			want := Issued{APIKey: "app", Tenant: "acme", ID: a.ID, User: user, Role: tt.role, At: start, Expires: expires.UTC(),
				Route: Credentials, Client: netip.MustParseAddr("192.0.2.1"), Request: "test"}
			if len(b.records) != 1 || b.records[0] != want {
				t.Errorf("records %+v, want %+v", b.records, want)
			}
			if n := b.Counters().Issued(); n != 1 {
				t.Errorf("issued = %d", n)
			}
		})
	}
}

// label and consent_ref are in the record, and in nothing that the client gets.
func TestNotesGoToTheRecord(t *testing.T) {
	b := newBed(t)
	body, _ := b.mustPost(t, `{"user":"alice","label":"Raum 7, große Runde","consent_ref":"c-481"}`)
	if r := b.records[0]; r.Label != "Raum 7, große Runde" || r.ConsentRef != "c-481" {
		t.Errorf("%+v", r)
	}
	if strings.Contains(string(body), "Raum") || strings.Contains(string(body), "c-481") {
		t.Errorf("told to the client: %s", body)
	}
}

// Of the addresses a client is told those that it asked for.
func TestTransports(t *testing.T) {
	for body, want := range map[string][]string{
		`{}`:                                 turnURIs,
		`{"transports":["udp"]}`:             turnURIs[:1],
		`{"transports":["tls","tcp"]}`:       turnURIs[1:],
		`{"transports":["tls","tcp","udp"]}`: turnURIs,
	} {
		_, a := newBed(t).mustPost(t, body)
		if !reflect.DeepEqual(a.URIs, want) || !reflect.DeepEqual(a.ICEServers[len(a.ICEServers)-1].URLs, want) {
			t.Errorf("%s: %v and %v, want %v", body, a.URIs, a.ICEServers, want)
		}
	}
}

// A client is told of the ways that its role is for, and may ask for no other.
func TestTransportsOfTheRole(t *testing.T) {
	role := auth.DefaultRole()
	role.Transports = auth.UDP | auth.TLS
	secret, err := auth.NewSecret(masterKey)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := auth.NewKeyring(auth.Options{Keys: []auth.Key{{ID: "k1", Secret: secret}}, Roles: []auth.Role{role}})
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := auth.NewIssuer(ring, nil)
	if err != nil {
		t.Fatal(err)
	}
	b := newBed(t, func(o *Options) { o.Issuer, o.Keys[0].Roles = issuer, nil })
	for body, want := range map[string][]string{
		"":                       {turnURIs[0], turnURIs[2]},
		`{"transports":["tls"]}`: {turnURIs[2]},
	} {
		if _, a := b.mustPost(t, body); !reflect.DeepEqual(a.URIs, want) {
			t.Errorf("%s: %v, want %v", body, a.URIs, want)
		}
	}
	p := wantProblem(t, b.post(`{"transports":["tls","tcp"]}`), InvalidTransports, "transports")
	if p.Detail != "the role default is for udp, tls" {
		t.Errorf("detail %q", p.Detail)
	}
}

func TestKeyCapsTTL(t *testing.T) {
	for _, tt := range []struct {
		maxTTL     time.Duration
		body, says string
	}{
		{90 * time.Second, `{"ttl":91}`, "1 to 90 seconds"},
		{9 * time.Hour, `{"ttl":3601,"role":"guest"}`, "1 to 3600 seconds"}, // never above the role's
	} {
		b := newBed(t, func(o *Options) { o.Keys[0].MaxTTL = tt.maxTTL })
		if p := wantProblem(t, b.post(tt.body), InvalidTTL, "ttl"); !strings.Contains(p.Detail, tt.says) {
			t.Errorf("%v %s: detail %q", tt.maxTTL, tt.body, p.Detail)
		}
	}
}

func TestAKeyWithoutRolesGivesOne(t *testing.T) {
	b := newBed(t, func(o *Options) { o.Keys[0].Roles = nil })
	wantProblem(t, b.post(`{"role":"guest"}`), InvalidRole, "role")
}

func TestCredentialsDiffer(t *testing.T) {
	b := newBed(t)
	_, one := b.mustPost(t, `{"user":"alice"}`)
	_, two := b.mustPost(t, `{"user":"alice"}`)
	if one.ID == two.ID || one.Username == two.Username || one.Password == two.Password {
		t.Errorf("%+v and %+v", one, two)
	}
}

func TestAnswerIsComplete(t *testing.T) {
	body, _ := newBed(t).mustPost(t, "")
	var fields map[string]any
	if err := json.Unmarshal(body, &fields); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"id", "username", "password", "credential", "ttl", "expires_at", "uris", "iceServers", "iceTransportPolicy"} {
		if fields[name] == nil {
			t.Errorf("%s is missing", name)
		}
		delete(fields, name)
	}
	if len(fields) != 0 {
		t.Errorf("fields nobody promised: %v", fields)
	}
}

// TestJanus reads the answer as Janus does (janus_turnrest_request): username,
// password and uris must be there, ttl an integer that is not negative, and a
// URI is split at colons and the question mark.
func TestJanus(t *testing.T) {
	body, _ := newBed(t, func(o *Options) { o.URIs = []string{turnURIs[0], turnURIs[2]} }).mustPost(t, "")
	dec := json.NewDecoder(strings.NewReader(string(body)))
	dec.UseNumber()
	var fields map[string]any
	if err := dec.Decode(&fields); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"username", "password"} {
		if s, ok := fields[name].(string); !ok || s == "" {
			t.Errorf("%s = %v", name, fields[name])
		}
	}
	number, ok := fields["ttl"].(json.Number)
	if ttl, err := strconv.ParseUint(string(number), 10, 32); !ok || err != nil || ttl == 0 {
		t.Errorf("ttl = %v", fields["ttl"])
	}
	uris, _ := fields["uris"].([]any)
	if len(uris) != 2 {
		t.Fatalf("uris = %v", fields["uris"])
	}
	for _, u := range uris {
		main, query, found := strings.Cut(u.(string), "?")
		parts := strings.Split(main, ":")
		if len(parts) != 3 || (parts[0] != "turn" && parts[0] != "turns") || !found ||
			(query != "transport=udp" && query != "transport=tcp") {
			t.Errorf("%v", u)
			continue
		}
		if port, err := strconv.Atoi(parts[2]); err != nil || port < 1 || port > 65535 {
			t.Errorf("%v: port %s", u, parts[2])
		}
	}
}

// TestRTCPeerConnection reads the answer as new RTCPeerConnection(answer) does
// (WebRTC 1.0 §4.4.1.2 and §4.2.4): members of other names are ignored.
func TestRTCPeerConnection(t *testing.T) {
	for name, stun := range map[string][]string{"with STUN": stunURIs, "without": nil} {
		t.Run(name, func(t *testing.T) {
			body, a := newBed(t, func(o *Options) { o.STUN = stun }).mustPost(t, `{"role":"guest"}`)
			var config struct {
				BundlePolicy, RTCPMuxPolicy, PeerIdentity, Certificates, ICECandidatePoolSize any
				ICETransportPolicy                                                            string `json:"iceTransportPolicy"`
				ICEServers                                                                    []struct {
					URLs                 []string `json:"urls"`
					Username, Credential *string
				} `json:"iceServers"`
			}
			if err := json.Unmarshal(body, &config); err != nil {
				t.Fatal(err)
			}
			if config.ICETransportPolicy != "relay" {
				t.Errorf("policy %q", config.ICETransportPolicy)
			}
			if n := len(config.ICEServers); n != 1+len(stun) {
				t.Fatalf("%d servers", n)
			}
			var turn, plain []string
			for _, server := range config.ICEServers {
				for _, u := range server.URLs {
					if strings.HasPrefix(u, "stun:") {
						plain = append(plain, u)
						if strings.Contains(u, "?") {
							t.Errorf("%s: SyntaxError", u)
						}
						continue
					}
					turn = append(turn, u)
					if server.Username == nil || server.Credential == nil {
						t.Fatalf("%s: InvalidAccessError", u)
					}
					if *server.Username != a.Username || *server.Credential != a.Password || len(*server.Username) > 509 {
						t.Errorf("%s: %q %q", u, *server.Username, *server.Credential)
					}
				}
			}
			if !reflect.DeepEqual(turn, turnURIs) || !reflect.DeepEqual(plain, stun) || !reflect.DeepEqual(a.URIs, turnURIs) {
				t.Errorf("turn %v, stun %v, uris %v", turn, plain, a.URIs)
			}
		})
	}
}

func TestURIs(t *testing.T) {
	long := strings.Repeat("a", 63) + "."
	tests := []struct {
		uri  string
		turn bool
		ok   bool
	}{
		{"turn:127.0.0.1:3478?transport=udp", true, true},
		{"turn:127.0.0.1:3478?transport=tcp", true, true},
		{"turn:turn.example.org:65535?transport=tcp", true, true},
		{"turns:xn--bcher-kva.example:443?transport=tcp", true, true},
		{"turn:localhost:1?transport=udp", true, true},
		{"turn:[2001:db8::1]:3478?transport=udp", true, true},
		{"turn:[::1]:3478?transport=udp", true, true},
		{"stun:turn.example.org:3478", false, true},
		{"stun:[2001:db8::1]:3478", false, true},

		{"", true, false},
		{"turn:", true, false},
		{"stun:turn.example.org:3478", true, false},
		{"turn:turn.example.org:3478?transport=udp", false, false},
		{"http://turn.example.org:3478?transport=udp", true, false},
		{"turn://turn.example.org:3478?transport=udp", true, false},
		{"TURN:turn.example.org:3478?transport=udp", true, false},
		{"turn:turn.example.org?transport=udp", true, false},
		{"turn:turn.example.org:?transport=udp", true, false},
		{"turn:turn.example.org:0?transport=udp", true, false},
		{"turn:turn.example.org:65536?transport=udp", true, false},
		{"turn:turn.example.org:+3478?transport=udp", true, false},
		{"turn:turn.example.org:03478?transport=udp", true, false},
		{"turn:turn.example.org:3478", true, false},
		{"turn:turn.example.org:3478?transport=", true, false},
		{"turn:turn.example.org:3478?transport=sctp", true, false},
		{"turn:turn.example.org:3478?transport=udp&x=1", true, false},
		{"turns:turn.example.org:443?transport=udp", true, false},
		{"turn::3478?transport=udp", true, false},
		{"turn:user@turn.example.org:3478?transport=udp", true, false},
		{"turn:turn.example.org.:3478?transport=udp", true, false},
		{"turn:turn..example.org:3478?transport=udp", true, false},
		{"turn:-turn.example.org:3478?transport=udp", true, false},
		{"turn:turn-.example.org:3478?transport=udp", true, false},
		{"turn:tu rn.example.org:3478?transport=udp", true, false},
		{"turn:tu\"rn.example.org:3478?transport=udp", true, false},
		{"turn:bücher.example:3478?transport=udp", true, false},
		{"turn:" + strings.Repeat("a", 64) + ":3478?transport=udp", true, false},
		{"turn:" + long + long + long + long + ":3478?transport=udp", true, false},
		{"turn:1.2.3:3478?transport=udp", true, false},
		{"turn:1.2.3.256:3478?transport=udp", true, false},
		{"turn:2001:db8::1:3478?transport=udp", true, false},
		{"turn:[192.0.2.1]:3478?transport=udp", true, false},
		{"turn:[turn.example.org]:3478?transport=udp", true, false},
		{"turn:[2001:db8::1:3478?transport=udp", true, false},
		{"turn:0.0.0.0:3478?transport=udp", true, false},
		{"turn:[::]:3478?transport=udp", true, false},
		{"turn:[fe80::1%eth0]:3478?transport=udp", true, false},
		{"turn:[::ffff:192.0.2.1]:3478?transport=udp", true, false},
		{"turn:224.0.0.1:3478?transport=udp", true, false},
		{"stun:turn.example.org:3478?transport=udp", false, false},
		{"stuns:turn.example.org:5349", false, false},
	}
	for _, tt := range tests {
		check := checkSTUN
		if tt.turn {
			check = checkTURN
		}
		if err := check(tt.uri); (err == nil) != tt.ok {
			t.Errorf("%q: %v", tt.uri, err)
		}
	}
}
