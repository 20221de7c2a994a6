package main

import (
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"turnpike/relay/relaytest"
)

// prosodyC2S is where the tests' Prosody listens for clients.
const prosodyC2S = "127.0.0.1:5222"

// Prosody, configured with what `turnpike snippet jitsi` prints, tells an XMPP
// client of this server (XEP-0215), and each service it names gives that client a
// relay, over UDP, TCP and TLS.
func TestProsody(t *testing.T) {
	if !inPublic(t) {
		return
	}
	file := appConfig(t, "credentials: {shared_secrets: [{id: jitsi, tenant: jitsi, id_rule: none, secret_file: jitsi.secret}]}\n", "jitsi.secret")
	s := serveConfigured(t, file)
	startProsody(t, snippetOf(t, file, "jitsi"))
	services := dialXMPP(t).services(t)
	tried := map[string]bool{}
	for _, service := range services {
		if service.Type != "stun" {
			over := service.over()
			tried[over] = true
			t.Run(over, func(t *testing.T) { service.allocate(t, s) })
		}
	}
	if len(tried) != 3 || len(services) != 4 {
		t.Errorf("Prosody names %+v, want STUN, and TURN over UDP, TCP and TLS", services)
	}
}

// appConfig writes a configuration of a server that speaks UDP, TCP and TLS, with
// more in it, and new secrets beside it.
func appConfig(t *testing.T, more string, secrets ...string) (file string) {
	t.Helper()
	dir := t.TempDir()
	if err := writeCertificate(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), publicTURN.Addr().String(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(dir, "turnpike.yaml")
	config := fmt.Sprintf("version: 1\nlisten: [{address: \"%s\", transports: [udp, tcp, tls]}]\nrelay: %s\n"+
		"tls: {certificate_file: cert.pem, key_file: key.pem}\noperator: {listen: [\"127.0.0.1:3481\"]}\ndrain: {timeout: 0s}\n%s", publicTURN, publicRelay, more)
	writeFile(t, file, config)
	for _, name := range secrets {
		writeFile(t, filepath.Join(dir, name), randomText(43, "abcdefghijklmnopqrstuvwxyz1234567890")+"\n")
	}
	return file
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// snippetOf is what turnpike prints for an application.
func snippetOf(t *testing.T, file string, args ...string) string {
	t.Helper()
	cmd := exec.Command(turnpike(t), append([]string{"snippet", "-c", file}, args...)...)
	cmd.Env = bareEnv()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("turnpike snippet %v: %v", args, err)
	}
	return string(out)
}

// startProsody runs a Prosody that lets anybody in, and returns when it listens.
func startProsody(t *testing.T, external string) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "prosody.cfg.lua")
	writeFile(t, file, fmt.Sprintf(`run_as_root = true -- of the namespace
pidfile = "%[1]s/prosody.pid"
data_path = "%[1]s"
log = { info = "*console" }
modules_enabled = { "saslauth"; "disco"; "external_services" }
modules_disabled = { "s2s" }
c2s_interfaces = { "127.0.0.1" }
c2s_require_encryption = false
%[2]s
VirtualHost "meet.example.org"
	authentication = "anonymous"
`, dir, external))
	startApp(t, "prosody", "-F", "--config", file)
	waitListens(t, prosodyC2S)
}

// startApp runs a program of an application until the end of the test.
func startApp(t *testing.T, name string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("this test needs %s: make deps (%v)", name, err)
	}
	out := new(lines)
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
		if t.Failed() {
			t.Logf("%s:\n%s", name, strings.Join(out.all(), "\n"))
		}
	})
}

// waitListens tries until a connection is taken.
func waitListens(t *testing.T, address string) {
	t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for late := time.After(patience); ; {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return
		}
		select {
		case <-again.C:
		case <-late:
			t.Fatalf("nothing listens: %v", err)
		}
	}
}

// xmppClient has as much of RFC 6120 as XEP-0215 takes.
type xmppClient struct {
	net.Conn
	in *xml.Decoder
}

// dialXMPP logs in as nobody in particular (RFC 6120 §6, SASL ANONYMOUS).
func dialXMPP(t *testing.T) *xmppClient {
	t.Helper()
	conn, err := net.Dial("tcp", prosodyC2S)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	c := &xmppClient{Conn: conn}
	c.open(t)
	c.ask(t, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='ANONYMOUS'/>", "success", nil)
	c.open(t)
	c.ask(t, "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>", "iq", nil)
	return c
}

// open begins a stream and reads what the server can do.
func (c *xmppClient) open(t *testing.T) {
	t.Helper()
	c.in = xml.NewDecoder(c)
	c.write(t, "<?xml version='1.0'?><stream:stream to='meet.example.org' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>")
	for {
		token, err := c.in.Token()
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "stream" {
			c.next(t, "features", nil)
			return
		}
	}
}

func (c *xmppClient) write(t *testing.T, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

func (c *xmppClient) ask(t *testing.T, text, want string, into any) {
	t.Helper()
	c.write(t, text)
	c.next(t, want, into)
}

// next reads a whole element, which has to be of that name.
func (c *xmppClient) next(t *testing.T, want string, into any) {
	t.Helper()
	for {
		token, err := c.in.Token()
		if err != nil {
			t.Fatal(err)
		}
		e, ok := token.(xml.StartElement)
		switch {
		case !ok:
			continue
		case e.Name.Local != want:
			t.Fatalf("<%s>, want <%s>", e.Name.Local, want)
		case into == nil:
			err = c.in.Skip()
		default:
			err = c.in.DecodeElement(into, &e)
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
}

// xmppService is a service of XEP-0215.
type xmppService struct {
	Type      string    `xml:"type,attr"`
	Transport string    `xml:"transport,attr"`
	Host      string    `xml:"host,attr"`
	Port      uint16    `xml:"port,attr"`
	Username  string    `xml:"username,attr"`
	Password  string    `xml:"password,attr"`
	Expires   time.Time `xml:"expires,attr"`
}

func (c *xmppClient) services(t *testing.T) []xmppService {
	t.Helper()
	var iq struct {
		Type     string        `xml:"type,attr"`
		Services []xmppService `xml:"services>service"`
	}
	c.ask(t, "<iq type='get' id='s' to='meet.example.org'><services xmlns='urn:xmpp:extdisco:2'/></iq>", "iq", &iq)
	if iq.Type != "result" {
		t.Fatalf("services: %+v", iq)
	}
	return iq.Services
}

// over is udp, tcp or tls.
func (x *xmppService) over() string {
	if x.Type == "turns" {
		return "tls"
	}
	return x.Transport
}

// allocate gets a relay with what Prosody says of a service.
func (x *xmppService) allocate(t *testing.T, s *server) {
	if left := time.Until(x.Expires); left < 23*time.Hour || left > 24*time.Hour {
		t.Errorf("expires at %v, want in 24 h", x.Expires)
	}
	at := netip.AddrPortFrom(netip.MustParseAddr(x.Host), x.Port)
	conn, err := scriptDial(x.over(), at)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c := relaytest.NewClient(conn, at, relaytest.User{Name: x.Username, Password: x.Password})
	c.Timeout = patience
	if r, err := c.Allocate(); err != nil || !r.OK() {
		t.Fatalf("%+v: %v, %v", x, r, err)
	}
	if r, err := c.Refresh(0); err != nil || !r.OK() {
		t.Errorf("the end: %v, %v", r, err)
	}
	s.WaitRecord(t, "the client of Prosody", func(r record) bool {
		return r.Tenant == "jitsi" && r.User == "" && r.Transport == x.over()
	})
}
