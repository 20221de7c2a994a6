package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"turnpike/pkg/issuer"
	"turnpike/relay/relaytest"
)

// door is a server whose issuer is open over TLS at a public address, to be asked
// directly, and on loopback, where a reverse proxy is trusted.
type door struct {
	*server
	keys          map[string]string // by id
	public, proxy string
	client        *http.Client
	tls           *tls.Config
	shown         []string // what must be in no log
}

func openDoor(t *testing.T) *door {
	t.Helper()
	dir := t.TempDir()
	cert, key, file := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), filepath.Join(dir, "turnpike.yaml")
	badConfigCheck(t, writeCertificate(cert, key, publicTURN.Addr().String(), time.Now().Add(time.Hour)))
	d := &door{keys: map[string]string{}}
	hash := map[string]string{}
	for _, id := range []string{"app", "other", "page", "janus", "office"} {
		plain, k, err := issuer.NewAPIKey(rand.Reader, id)
		badConfigCheck(t, err)
		d.keys[id], hash[id] = plain, fmt.Sprintf("sha256:%x", k.Hash)
		d.shown = append(d.shown, plain, plain[len("tk_"+id+"_"):])
	}
	config := fmt.Sprintf(`version: 1
listen: [{address: "%[1]s"}]
relay: {addresses: [{bind: %[2]s}]}
tls: {certificate_file: cert.pem, key_file: key.pem}
credentials: {issuer_keys: [{id: k, secret: %[3]s}]}
issuer:
  listen: ["%[2]s:3480", "127.0.0.1:3480"]
  trusted_proxies: [127.0.0.1/32]
  api_keys:
    - {id: app, hash: "%[4]s", tenant: acme, may_revoke: true}
    - {id: other, hash: "%[5]s", tenant: other, may_revoke: true}
    - {id: page, hash: "%[6]s", origins: ["https://app.example.org"], mints_per_minute: 1, mints_burst: 2}
    - {id: janus, hash: "%[7]s", allow_query_key: true}
    - {id: office, hash: "%[8]s", networks: [198.51.100.0/24]}
policy: {issuer_clients: {deny: [203.0.113.66]}}
limits: {tenant_allocations: 2}
operator: {listen: ["127.0.0.1:3481"]}
drain: {timeout: 0s}
`, publicTURN, publicTURN.Addr(), rand.Text()+rand.Text(), hash["app"], hash["other"], hash["page"], hash["janus"], hash["office"])
	badConfigCheck(t, os.WriteFile(file, []byte(config), 0o600))
	d.server = serveConfigured(t, file)
	d.TURN.UDP = []netip.AddrPort{publicTURN}
	d.public, d.proxy = fmt.Sprintf("https://%s:3480", publicTURN.Addr()), "https://127.0.0.1:3480"
	text, err := os.ReadFile(cert)
	badConfigCheck(t, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	d.tls = &tls.Config{RootCAs: roots, ServerName: publicTURN.Addr().String()}
	d.client = &http.Client{Timeout: patience, Transport: &http.Transport{TLSClientConfig: d.tls, ForceAttemptHTTP2: true}}
	t.Cleanup(d.client.CloseIdleConnections)
	return d
}

// asked is an answer of the door.
type asked struct {
	status             int
	header             http.Header
	body               []byte
	Code               string
	ID                 string
	Username, Password string
}

// ask sends a request; pairs are its headers.
func (d *door) ask(t *testing.T, method, url, body string, pairs ...string) (a asked) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	badConfigCheck(t, err)
	for i := 0; i < len(pairs); i += 2 {
		r.Header.Add(pairs[i], pairs[i+1])
	}
	resp, err := d.client.Do(r)
	if err != nil {
		return asked{Code: "dropped"}
	}
	defer resp.Body.Close()
	a.status, a.header = resp.StatusCode, resp.Header
	a.body, err = io.ReadAll(resp.Body)
	badConfigCheck(t, err)
	if len(a.body) > 0 && strings.HasSuffix(resp.Header.Get("Content-Type"), "json") {
		badConfigCheck(t, json.Unmarshal(a.body, &a))
	}
	if a.Password != "" {
		d.shown = append(d.shown, a.Password)
	}
	return a
}

func (d *door) bearer(id string) []string { return []string{"Authorization", "Bearer " + d.keys[id]} }

// The HTTP API of the real server, over TLS.
func TestIssuerDoor(t *testing.T) {
	if !inPublic(t) {
		return
	}
	d := openDoor(t)
	t.Run("pages", d.pages)
	t.Run("proxies", d.proxies)
	t.Run("smuggling", d.smuggling)
	t.Run("TURN REST", d.turnREST)
	t.Run("tenants", d.tenants)
	t.Run("revocation", d.revocation)
	d.noSecretIsLogged(t)
}

// A page of an origin that the key does not list gets nothing, and no leave to
// read it; the one that may is told when it asks too often.
func (d *door) pages(t *testing.T) {
	const app = "https://app.example.org"
	url := d.public + "/v1/credentials"
	allow := "Access-Control-Allow-Origin"
	for _, origin := range []string{"https://evil.example", "null", "https://app.example.org.evil.example", "http://app.example.org"} {
		if a := d.ask(t, "OPTIONS", url, "", "Origin", origin, "Access-Control-Request-Method", "POST"); a.status != 204 || a.header.Get(allow) != "" {
			t.Errorf("preflight of %s: %d %v", origin, a.status, a.header)
		}
		if a := d.ask(t, "POST", url, "", append(d.bearer("page"), "Origin", origin)...); a.Code != "origin_not_allowed" || a.header.Get(allow) != "" {
			t.Errorf("%s: %d %s", origin, a.status, a.body)
		}
	}
	a := d.ask(t, "OPTIONS", url, "", "Origin", app, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization")
	if a.status != 204 || a.header.Get(allow) != app || !strings.Contains(a.header.Get("Access-Control-Allow-Headers"), "Authorization") {
		t.Errorf("preflight: %d %v", a.status, a.header)
	}
	if a := d.ask(t, "POST", url, "", append(d.bearer("app"), "Origin", app)...); a.Code != "origin_not_allowed" {
		t.Errorf("a backend's key in a page: %d %s", a.status, a.body)
	}
	for _, want := range []int{200, 200, 429} {
		a = d.ask(t, "POST", url, "", append(d.bearer("page"), "Origin", app)...)
		if a.status != want || a.header.Get(allow) != app || a.header.Get("Vary") != "Origin" || a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%d %v, want %d", a.status, a.header, want)
		}
	}
	if a.Code != "too_many_requests" || a.header.Get("Retry-After") == "" || !strings.HasPrefix(a.header.Get("RateLimit"), `"key";r=0;`) {
		t.Errorf("%v %s", a.header, a.body)
	}
}

// Who asks is who the trusted proxy says, and nobody else is believed.
func (d *door) proxies(t *testing.T) {
	for _, c := range []struct {
		url, header, value, code string
	}{
		{d.proxy, "X-Forwarded-For", "198.51.100.7", ""},
		{d.proxy, "X-Forwarded-For", "203.0.113.9, 198.51.100.7", ""},
		{d.proxy, "Forwarded", `for=203.0.113.9, for="198.51.100.7:4711"`, ""},
		{d.proxy, "X-Forwarded-For", "198.51.100.7, 203.0.113.9", "network_not_allowed"},
		{d.proxy, "X-Forwarded-For", "198.51.100.7, 127.0.0.1, 203.0.113.9", "network_not_allowed"},
		{d.proxy, "X-Real-IP", "198.51.100.7", "network_not_allowed"},
		{d.proxy, "X-Forwarded-For", "unknown", "invalid_forwarded"},
		{d.proxy, "Forwarded", `for="198.51.100.7`, "invalid_forwarded"},
		{d.public, "X-Forwarded-For", "198.51.100.7", "network_not_allowed"},
		{d.public, "Forwarded", "for=198.51.100.7", "network_not_allowed"},
		{d.proxy, "X-Forwarded-For", "198.51.100.7, 203.0.113.66", "dropped"}, // policy.issuer_clients
		{d.public, "X-Forwarded-For", "203.0.113.66", "network_not_allowed"},
	} {
		if a := d.ask(t, "POST", c.url+"/v1/credentials", "", append(d.bearer("office"), c.header, c.value)...); a.Code != c.code {
			t.Errorf("%s %s: %s: %d %s, want %q", c.url, c.header, c.value, a.status, a.body, c.code)
		}
	}
}

// raw writes bytes over TLS and gives the status of every answer until the server
// closes.
func (d *door) raw(t *testing.T, text string) (statuses []int) {
	t.Helper()
	config := d.tls.Clone()
	config.NextProtos = []string{"http/1.1"}
	c, err := tls.Dial("tcp", strings.TrimPrefix(d.public, "https://"), config)
	badConfigCheck(t, err)
	defer c.Close()
	badConfigCheck(t, c.SetDeadline(time.Now().Add(patience)))
	go io.WriteString(c, text) // the server may answer and close before it has read all
	for in := bufio.NewReader(c); ; {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			if e, ok := err.(net.Error); ok && e.Timeout() {
				t.Errorf("the connection is still open after %v", patience)
			}
			return statuses
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		statuses = append(statuses, resp.StatusCode)
	}
}

// Requests of which two parsers could think differently: one answer at most, and
// nothing behind it is read.
func (d *door) smuggling(t *testing.T) {
	head := "POST /v1/credentials HTTP/1.1\r\nHost: turn.example.org\r\nAuthorization: Bearer " + d.keys["app"] + "\r\nContent-Type: application/json\r\n"
	next := head + "Connection: close\r\nContent-Length: 2\r\n\r\n{}"
	before := d.Metrics(t)["turnpike_credentials_issued_total"]
	for _, c := range []struct {
		name, text string
		want       []int
	}{
		{"length and chunks", head + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" + next, []int{200}},
		{"chunks, obscured", head + "Content-Length: 4\r\nTransfer-Encoding: xchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" + next, []int{501}},
		{"two encodings", head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n2\r\n{}\r\n0\r\n\r\n" + next, []int{501}},
		{"two lengths", head + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}" + next, []int{400}},
		{"two hosts", head + "Host: evil.example\r\nContent-Length: 2\r\n\r\n{}" + next, []int{400}},
		{"an absolute URL", strings.Replace(next, "POST /", "POST http://evil.example/", 1), []int{400}},
		{"a space before a colon", head + "Content-Length : 2\r\n\r\n{}" + next, []int{400}},
		{"64 KB of headers", head + "X: " + strings.Repeat("x", 64<<10) + "\r\n\r\n", []int{431}},
		{"a body of 5 KB", head + "Connection: close\r\nContent-Length: 5120\r\n\r\n" + strings.Repeat(" ", 5120), []int{413}},
		{"a body of 1 GB", head + "Content-Length: 1073741824\r\n\r\n" + strings.Repeat(" ", 8<<10), []int{413}},
		{"two requests, as they should be", head + "Content-Length: 2\r\n\r\n{}" + next, []int{200, 200}},
	} {
		if got := d.raw(t, c.text); fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: answered %v, want %v", c.name, got, c.want)
		}
	}
	if issued := d.Metrics(t)["turnpike_credentials_issued_total"] - before; issued != 3 {
		t.Errorf("%v credentials issued, want 3: of the first case and the last", issued)
	}
}

// An application of the TURN REST API, with its key in the URL: what it gets is
// good, and its key is in no log, nor when the URL is broken.
func (d *door) turnREST(t *testing.T) {
	key := d.keys["janus"]
	query := "service=turn&username=alice&api=" + key + "&key=" + key
	a := d.ask(t, "POST", d.public+"/turn/credentials?"+query, query, "Content-Type", "application/x-www-form-urlencoded")
	if a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	c := d.allocation(t, a)
	defer c.Close()
	for _, url := range []string{"/turn/credentials?key=" + key + "%zz", "/turn/credentials?key=" + key + ";x=y", "/v1/credentials?key=" + key,
		"/" + key, "/turn/credentials?key=" + d.keys["app"]} {
		if a := d.ask(t, "GET", d.public+url, ""); a.status < 400 || bytes.Contains(a.body, []byte(key)) {
			t.Errorf("%s: %d %s", url, a.status, a.body)
		}
	}
	line := d.waitLine(t, &d.stderr, "the record of the credential", func(line string) bool { return strings.Contains(line, `"credential":"`+a.ID) })
	for _, want := range []string{`"msg":"credential issued"`, `"user":"alice"`, `"api_key":"janus"`, `"route":"turn_rest"`, `"client":"` + publicTURN.Addr().String() + `"`} {
		if !strings.Contains(line, want) {
			t.Errorf("no %s in %s", want, line)
		}
	}
}

// allocation is the socket of an allocation that a credential has begun.
func (d *door) allocation(t *testing.T, a asked) net.PacketConn {
	t.Helper()
	conn, r := d.allocate(t, a)
	if !r.OK() {
		t.Fatalf("Allocate: %v", r)
	}
	return conn
}

func (d *door) allocate(t *testing.T, a asked) (net.PacketConn, relaytest.Response) {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: publicTURN.Addr().AsSlice()})
	badConfigCheck(t, err)
	r, err := relaytest.NewClient(conn, publicTURN, relaytest.User{Name: a.Username, Password: a.Password}).Allocate()
	badConfigCheck(t, err)
	return conn, r
}

// The tenant of a credential is that of the API key: its users share a limit,
// and those of another do not.
func (d *door) tenants(t *testing.T) {
	mint := func(key, user string) asked {
		return d.ask(t, "POST", d.public+"/v1/credentials", `{"user":"`+user+`"}`, append(d.bearer(key), "Content-Type", "application/json")...)
	}
	for _, c := range []struct {
		key, user string
		ok        bool
	}{{"app", "a", true}, {"app", "b", true}, {"app", "c", false}, {"other", "c", true}} {
		conn, r := d.allocate(t, mint(c.key, c.user))
		defer conn.Close()
		if r.OK() != c.ok {
			t.Errorf("%s of %s: %v", c.user, c.key, r)
		}
	}
	for _, user := range []string{"a", "b"} {
		if a := d.ask(t, "POST", d.public+"/v1/users/"+user+"/revoke", "", d.bearer("app")...); a.status != 204 {
			t.Errorf("%d %s", a.status, a.body)
		}
		d.WaitRecord(t, user+"'s session", func(r record) bool { return r.User == user && r.Reason == "revoked" })
	}
}

// A revocation ends the live session, within two seconds, and refuses the
// credential; one that another tenant asks for does nothing.
func (d *door) revocation(t *testing.T) {
	a := d.ask(t, "POST", d.public+"/v1/credentials", `{"user":"mallory","label":"room 7","consent_ref":"c-481"}`,
		append(d.bearer("app"), "Content-Type", "application/json")...)
	conn := d.allocation(t, a)
	defer conn.Close()
	live := relaytest.NewClient(conn, publicTURN, relaytest.User{Name: a.Username, Password: a.Password})
	one := d.public + "/v1/credentials/" + a.ID
	if a := d.ask(t, "DELETE", one, "", d.bearer("janus")...); a.Code != "revocation_not_allowed" {
		t.Errorf("by a key that may not: %d %s", a.status, a.body)
	}
	if a := d.ask(t, "DELETE", one, "", d.bearer("other")...); a.status != 204 {
		t.Errorf("by another tenant: %d %s", a.status, a.body)
	}
	if r, err := live.Refresh(10 * time.Minute); err != nil || !r.OK() {
		t.Fatalf("another tenant has ended the session: %v %v", r, err)
	}
	again, r := d.allocate(t, a)
	if again.Close(); !r.OK() {
		t.Fatalf("another tenant has revoked it: %v", r)
	}
	begun := time.Now()
	if a := d.ask(t, "DELETE", one, "", d.bearer("app")...); a.status != 204 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	d.WaitRecord(t, "the revoked session", func(r record) bool {
		return r.Reason == "revoked" && r.Client.String() == conn.LocalAddr().String()
	})
	if took := time.Since(begun); took > 2*time.Second {
		t.Errorf("the session ended after %v", took)
	}
	again, r = d.allocate(t, a)
	if again.Close(); r.OK() {
		t.Error("the revoked credential is good")
	}
	d.waitLine(t, &d.stderr, "the record of the revocation", func(line string) bool {
		return strings.Contains(line, `"msg":"credentials revoked"`) && strings.Contains(line, a.ID) && strings.Contains(line, `"api_key":"app"`)
	})
	d.waitLine(t, &d.stderr, "label and consent", func(line string) bool {
		return strings.Contains(line, `"label":"room 7","consent_ref":"c-481"`)
	})
}

func (d *door) noSecretIsLogged(t *testing.T) {
	log := strings.Join(d.stderr.all(), "\n")
	if len(d.shown) < 15 || !strings.Contains(log, "credential issued") {
		t.Errorf("%d secrets, looked for in\n%s", len(d.shown), log)
	}
	for _, secret := range d.shown {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds %s", secret)
		}
	}
}
