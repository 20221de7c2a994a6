package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"turnpike/pkg/snippet"
)

// Every answer of the issuer is a configuration that a browser takes as it is,
// and gathers a relay with; those with credentials say the same to Selkies.
func TestAnswersAreUnderstood(t *testing.T) {
	s := startServer(t)
	p := openPage(t, s.SPKI)
	for _, ask := range []struct{ method, path, body string }{
		{"POST", "/v1/credentials", `{"user":"alice"}`},
		{"GET", "/turn/credentials?service=turn&username=alice", ""},
		{"POST", "/turn/credentials", `{"service":"turn","username":"alice"}`},
		{"GET", "/v1/ice-servers", ""},
		{"GET", "/v1/ice-servers?format=array", ""},
	} {
		t.Run(ask.method+ask.path, func(t *testing.T) {
			r := s.request(t, ask.method, s.Issuer+ask.path, ask.body)
			answer := json.RawMessage(fetch(t, r))
			if strings.HasSuffix(ask.path, "format=array") {
				answer = json.RawMessage(fmt.Sprintf(`{"iceServers":%s}`, answer))
			}
			checkSelkies(t, answer)
			got := call[gathered](t, p, "gather", answer, "relay")
			if !strings.Contains(strings.Join(got.Candidates, "\n"), " typ relay ") {
				t.Errorf("Chromium gathered no relay with %s: %+v", answer, got)
			}
		})
	}
}

// request is one with the API key and JSON.
func (s *server) request(t *testing.T, method, url, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+s.APIKey)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}

// checkSelkies reads an answer by the rules of Selkies' parse_rtc_config
// (selkies-gstreamer, __main__.py): each URL is split at colons, so that it needs a
// host without any, and a port; turn and turns take the user and the password
// beside them.
func checkSelkies(t *testing.T, answer []byte) {
	t.Helper()
	var config struct {
		Servers []struct {
			URLs                 []string
			Username, Credential string
		} `json:"iceServers"`
	}
	if err := json.Unmarshal(answer, &config); err != nil {
		t.Fatal(err)
	}
	turns := map[string]bool{}
	for _, server := range config.Servers {
		for _, uri := range server.URLs {
			parts := strings.Split(uri, ":")
			if len(parts) != 3 {
				t.Fatalf("Selkies can't take %q apart", uri)
			}
			port, _, _ := strings.Cut(parts[2], "?")
			if parts[0] == "stun" {
				continue
			}
			turn, err := url.Parse(fmt.Sprintf("%s://%s:%s@%s:%s", parts[0],
				url.QueryEscape(server.Username), url.QueryEscape(server.Credential), parts[1], port))
			if err != nil || turn.Port() == "" || turn.User.Username() == "" {
				t.Errorf("Selkies makes %v of %q: %v", turn, uri, err)
			}
			turns[parts[0]] = true
		}
	}
	if !turns["turn"] || !turns["turns"] {
		t.Errorf("Selkies finds %v in %s", turns, answer)
	}
}

// The JavaScript of `turnpike snippet javascript` asks as the issuer wants to be
// asked, and makes a peer connection of the answer that gathers a relay.
func TestSnippetJavaScript(t *testing.T) {
	s := startServer(t)
	p := openPage(t, s.SPKI)
	app, _ := snippet.Find("javascript")
	text, err := app.Render(snippet.Server{Issuer: s.Issuer})
	if err != nil {
		t.Fatal(err)
	}
	asked := call[struct {
		URL, Method, Body string
		Headers           map[string]string
	}](t, p, "askedBy", text, s.APIKey, "alice")
	r := s.request(t, asked.Method, asked.URL, asked.Body)
	r.Header = http.Header{}
	for name, value := range asked.Headers {
		r.Header.Set(name, value)
	}
	answer := fetch(t, r)
	got := call[gathered](t, p, "connectBy", text, json.RawMessage(answer))
	if !strings.Contains(strings.Join(got.Candidates, "\n"), " typ relay ") {
		t.Errorf("no relay with %s: %+v", answer, got)
	}
	var issued struct{ Username string }
	if err := json.Unmarshal(answer, &issued); err != nil || !strings.HasSuffix(issued.Username, ":alice") {
		t.Errorf("issued to %q, %v", issued.Username, err)
	}
}
