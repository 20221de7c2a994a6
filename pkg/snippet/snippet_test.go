package snippet

import (
	"encoding/json"
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// said is what an application has understood of its settings.
type said struct {
	Secret, File string
	STUN, TURN   []string
	Seconds      int
}

// awkward has what each language quotes in its own way.
const awkward = `a"b\c'd<e>&f$(g)]]-->{{h}}%i`

var (
	uris = []string{"turn:turn.example.org:3478?transport=udp", "turn:turn.example.org:3478?transport=tcp", "turns:turn.example.org:443?transport=tcp"}
	stun = []string{"stun:turn.example.org:3478"}
)

func server(t *testing.T, secret Secret) Server {
	t.Helper()
	s := Server{Secret: secret, User: "hass", TTL: 24 * time.Hour, Issuer: "https://turn.example.org:3480"}
	for _, text := range uris {
		s.TURN = append(s.TURN, parsed(t, text))
	}
	s.STUN = []URI{parsed(t, stun[0])}
	return s
}

func parsed(t *testing.T, text string) URI {
	t.Helper()
	u, err := ParseURI(text)
	if err != nil || u.String() != text {
		t.Fatalf("%q is %+v, %v", text, u, err)
	}
	return u
}

// Each application's settings say what they should to a parser of their
// language, whatever stands in the secret.
func TestSettings(t *testing.T) {
	secret, file := Secret{Text: awkward}, Secret{File: `/etc/it's "ours"/the.secret`, Text: "SECRET"}
	day := said{Secret: awkward, STUN: stun, TURN: uris, Seconds: 86400}
	without := func(w said, change func(*said)) said { change(&w); return w }
	fromFile := without(day, func(w *said) { w.Secret, w.File = "", file.File })
	for _, c := range []struct {
		app    string
		secret Secret
		read   func(*testing.T, string) said
		want   said
	}{
		{"synapse", secret, readSynapse, without(day, func(w *said) { w.STUN = nil })},
		{"synapse", file, readSynapse, without(fromFile, func(w *said) { w.STUN = nil })},
		{"livekit", secret, readLiveKit, without(day, func(w *said) { w.STUN = nil })},
		{"livekit", file, readLiveKit, without(fromFile, func(w *said) { w.STUN = nil })},
		{"home-assistant", secret, readHomeAssistant, without(day, func(w *said) { w.Seconds = 0 })},
		{"mattermost", secret, readMattermost, day},
		{"galene", secret, readGalene, without(day, func(w *said) { w.Seconds = 0 })},
		{"bigbluebutton", secret, readBigBlueButton, day},
		{"nextcloud-talk", secret, readNextcloud, without(day, func(w *said) { w.Seconds = 0 })},
		{"prosody", secret, readProsody, day},
		{"jitsi", secret, readProsody, day},
	} {
		app, _ := Find(c.app)
		text, err := app.Render(server(t, c.secret))
		if err != nil {
			t.Fatal(err)
		}
		if got := c.read(t, text); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: understood\n%+v, want\n%+v, of\n%s", c.app, got, c.want, text)
		}
	}
}

// What reads a file gets what stands in it, without the line end.
func TestSecretFiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), `it's "ours"`)
	if err := os.WriteFile(file, []byte(awkward+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, read := range map[string]func(*testing.T, string) said{"prosody": readProsody, "nextcloud-talk": readNextcloud} {
		app, _ := Find(name)
		text, err := app.Render(server(t, Secret{File: file, Text: "SECRET"}))
		if err != nil {
			t.Fatal(err)
		}
		if got := read(t, text); got.Secret != awkward || strings.Contains(text, awkward) {
			t.Errorf("%s: the secret is %q, want %q, of\n%s", name, got.Secret, awkward, text)
		}
	}
}

func readYAML(t *testing.T, text string, into any) {
	t.Helper()
	d := yaml.NewDecoder(strings.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(into); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
}

func readJSON(t *testing.T, text string, into any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil || d.More() {
		t.Fatalf("%v\n%s", err, text)
	}
}

func readSynapse(t *testing.T, text string) said {
	var y struct {
		URIs     []string      `yaml:"turn_uris"`
		Secret   string        `yaml:"turn_shared_secret"`
		File     string        `yaml:"turn_shared_secret_path"`
		Lifetime time.Duration `yaml:"turn_user_lifetime"`
		Guests   bool          `yaml:"turn_allow_guests"`
	}
	readYAML(t, text, &y)
	return said{Secret: y.Secret, File: y.File, TURN: y.URIs, Seconds: int(y.Lifetime.Seconds())}
}

func readLiveKit(t *testing.T, text string) (got said) {
	var y struct {
		RTC struct {
			Servers []struct {
				Host, Protocol, Secret string
				Port                   uint16
				File                   string `yaml:"secret_file"`
				TTL                    int
			} `yaml:"turn_servers"`
		}
	}
	readYAML(t, text, &y)
	for _, s := range y.RTC.Servers {
		u := URI{Scheme: "turn", Host: s.Host, Port: s.Port, Transport: s.Protocol}
		if s.Protocol == "tls" {
			u.Scheme, u.Transport = "turns", "tcp"
		}
		got.Secret, got.File, got.Seconds, got.TURN = s.Secret, s.File, s.TTL, append(got.TURN, u.String())
	}
	return got
}

func readHomeAssistant(t *testing.T, text string) said {
	var y struct {
		WebRTC struct {
			Servers []struct {
				URL                  []string
				Username, Credential string
			} `yaml:"ice_servers"`
		} `yaml:"web_rtc"`
	}
	readYAML(t, text, &y)
	s := y.WebRTC.Servers
	if s[0].Username != "" || s[1].Username != "hass" {
		t.Errorf("%+v", s)
	}
	return said{Secret: s[1].Credential, STUN: s[0].URL, TURN: s[1].URL}
}

// iceServer is RTCIceServer, with what Galene adds.
type iceServer struct {
	URLs           []string `json:"urls"`
	Username       string   `json:"username"`
	Credential     string   `json:"credential"`
	CredentialType string   `json:"credentialType"`
}

func readMattermost(t *testing.T, text string) said {
	var j struct {
		PluginSettings struct {
			Plugins map[string]struct {
				Servers string `json:"iceserversconfigs"`
				Secret  string `json:"turnstaticauthsecret"`
				Minutes int    `json:"turncredentialsexpirationminutes"`
			}
		}
	}
	readJSON(t, text, &j)
	calls := j.PluginSettings.Plugins["com.mattermost.calls"]
	var servers []iceServer
	readJSON(t, calls.Servers, &servers)
	return said{Secret: calls.Secret, STUN: servers[0].URLs, TURN: servers[1].URLs, Seconds: calls.Minutes * 60}
}

func readGalene(t *testing.T, text string) said {
	var servers []iceServer
	readJSON(t, text, &servers)
	if s := servers[1]; s.CredentialType != "hmac-sha1" || s.Username != "galene" {
		t.Errorf("%+v", s)
	}
	return said{Secret: servers[1].Credential, STUN: servers[0].URLs, TURN: servers[1].URLs}
}

func readBigBlueButton(t *testing.T, text string) (got said) {
	type refs struct {
		Name string `xml:"name,attr"`
		Refs []struct {
			Bean string `xml:"bean,attr"`
		} `xml:"set>ref"`
	}
	var x struct {
		Beans []struct {
			ID    string `xml:"id,attr"`
			Class string `xml:"class,attr"`
			Args  []struct {
				Value string `xml:"value,attr"`
			} `xml:"constructor-arg"`
			Properties []refs `xml:"property"`
		} `xml:"bean"`
	}
	if err := xml.Unmarshal([]byte(text), &x); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	var made, used []string
	for _, b := range x.Beans {
		switch kind := b.Class[strings.LastIndexByte(b.Class, '.')+1:]; kind {
		case "StunServer":
			made, got.STUN = append(made, b.ID), append(got.STUN, b.Args[0].Value)
		case "TurnServer":
			made, got.Secret, got.TURN = append(made, b.ID), b.Args[0].Value, append(got.TURN, b.Args[1].Value)
			readJSON(t, b.Args[2].Value, &got.Seconds)
		case "StunTurnService":
			for _, p := range b.Properties {
				for _, r := range p.Refs {
					used = append(used, r.Bean)
				}
			}
		}
	}
	if !slices.Equal(made, used) {
		t.Errorf("the service has %q of %q", used, made)
	}
	return got
}

// run gives a program's output.
func run(t *testing.T, program string, args ...string) string {
	t.Helper()
	out, err := exec.Command(program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v (make deps)\n%s", program, err, out)
	}
	return string(out)
}

// readNextcloud runs the commands with a php that writes down what it is told.
func readNextcloud(t *testing.T, text string) (got said) {
	out := run(t, "sh", "-eu", "-c", `php() { for a; do printf '%s\n' "$a"; done; echo; }`+"\n"+text)
	for call := range strings.SplitSeq(strings.TrimSpace(out), "\n\n") {
		switch args := strings.Split(call, "\n"); args[1] {
		case "talk:stun:add":
			got.STUN = append(got.STUN, "stun:"+args[2])
		case "talk:turn:add":
			got.Secret, got.TURN = args[3], append(got.TURN, args[4]+":"+args[5]+"?transport="+args[6])
		}
	}
	return got
}

// readProsody runs the file, as Prosody does, and writes down its globals.
func readProsody(t *testing.T, text string) (got said) {
	file := filepath.Join(t.TempDir(), "external.cfg.lua")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out := run(t, "lua5.4", "-e", `dofile(arg[1])
print(external_service_secret)
for _, s in ipairs(external_services) do
	print(s.type, s.host..":"..s.port, s.transport, s.secret, s.ttl, s.algorithm)
end`, "-", file)
	secret, services, _ := strings.Cut(strings.TrimSpace(out), "\n")
	got.Secret = secret
	for line := range strings.SplitSeq(services, "\n") {
		f := strings.Fields(line)
		if f[0] == "stun" {
			got.STUN = append(got.STUN, "stun:"+f[1])
			continue
		}
		if f[3] != "true" || f[5] != "turn" {
			t.Errorf("no credential would be made for %q", line)
		}
		readJSON(t, f[4], &got.Seconds)
		got.TURN = append(got.TURN, f[0]+":"+f[1]+"?transport="+f[2])
	}
	return got
}

// Whoever mistypes is told what there is.
func TestLike(t *testing.T) {
	for word, want := range map[string][]string{
		"matrix": {"synapse"}, "Jitsi": {"jitsi"}, "nextcloud": {"nextcloud-talk"}, "zoom": nil, "": nil,
	} {
		if got := Like(word); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
}

func TestParseURIRefuses(t *testing.T) {
	for _, text := range []string{"", "turn:", "turn:host?transport=udp", "turn:host:0x1?transport=udp", "turn:host:1", "turn:host:70000?transport=tcp"} {
		if u, err := ParseURI(text); err == nil {
			t.Errorf("%q is %+v", text, u)
		}
	}
}
