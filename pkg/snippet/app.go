package snippet

import (
	"embed"
	"fmt"
	"slices"
	"strings"
	"text/template"
	"time"
)

// Kind is how an application comes by its credentials.
type Kind uint8

const (
	Shared Kind = iota // it mints them with a shared secret
	Issued             // it asks the issuer, with an API key
	Static             // it is given one user and password
)

// App is an application that can be told to use this server.
type App struct {
	Name  string // on the command line, and the id of its secret or key by default
	Title string
	Kind  Kind
	Into  string // where its settings go
	// NoUsers says that its usernames name no user, another one each time or the
	// same for all, so that limits a user mean nothing.
	NoUsers bool
	// ReadsFile says that it reads the secret's file, and so must be let to.
	ReadsFile bool
	// QueryKey says that it sends its API key in the URL.
	QueryKey bool
	// TTL is the lifetime of its credentials where it can't be set; else 0.
	TTL time.Duration
}

// Apps are all applications that are known, in the order of the alphabet.
func Apps() []App {
	return []App{
		{Name: "bigbluebutton", Title: "BigBlueButton", Into: "/etc/bigbluebutton/turn-stun-servers.xml; restart with bbb-conf --restart"},
		{Name: "galene", Title: "Galene", NoUsers: true, Into: "data/ice-servers.json, which it reads again by itself", TTL: 24 * time.Hour},
		{Name: "home-assistant", Title: "Home Assistant", Kind: Static, Into: "configuration.yaml; restart Home Assistant"},
		{Name: "janus", Title: "Janus", Kind: Issued, QueryKey: true, Into: "the section nat of janus.jcfg; restart Janus"},
		{Name: "javascript", Title: "your own application, in JavaScript", Kind: Issued, Into: "a module; the first function is for the server, the second for the page"},
		{Name: "jitsi", Title: "Jitsi Meet", NoUsers: true, ReadsFile: true, Into: "the configuration of its Prosody, /etc/prosody/conf.avail/HOST.cfg.lua, above the VirtualHost; restart Prosody. " +
			"docker-jitsi-meet makes them of .env: TURN_CREDENTIALS (the secret), TURN_HOST, TURN_PORT, TURN_TRANSPORT=udp,tcp, TURNS_HOST, TURNS_PORT"},
		{Name: "livekit", Title: "LiveKit", ReadsFile: true, Into: "livekit.yaml; restart LiveKit"},
		{Name: "mattermost", Title: "Mattermost Calls", Into: "config.json: mmctl config patch FILE"},
		{Name: "nextcloud-talk", Title: "Nextcloud Talk", NoUsers: true, TTL: 24 * time.Hour, Into: "a shell in the folder of Nextcloud, as the user of its web server"},
		{Name: "prosody", Title: "Prosody", NoUsers: true, ReadsFile: true, Into: "prosody.cfg.lua, above the VirtualHost; restart Prosody"},
		{Name: "synapse", Title: "Synapse (Matrix)", ReadsFile: true, Into: "homeserver.yaml, or a file in conf.d; restart Synapse"},
	}
}

// Find is the application of a name.
func Find(name string) (App, bool) {
	all := Apps()
	i := slices.IndexFunc(all, func(a App) bool { return a.Name == name })
	if i < 0 {
		return App{}, false
	}
	return all[i], true
}

// Names are those of all applications.
func Names() (names []string) {
	for _, a := range Apps() {
		names = append(names, a.Name)
	}
	return names
}

// Like are the names of applications that a word stands in the name or title of.
func Like(word string) (names []string) {
	for _, a := range Apps() {
		if word != "" && strings.Contains(strings.ToLower(a.Name+" "+a.Title), strings.ToLower(word)) {
			names = append(names, a.Name)
		}
	}
	return names
}

// Server is what applications are told of this server.
type Server struct {
	TURN, STUN []URI
	Secret     Secret        // of an application that mints, or of a static user
	User       string        // of an application that is given one
	TTL        time.Duration // of what the application mints
	Issuer     string        // base of the issuer's URLs
}

// Secret is one as an application can be told of it.
type Secret struct {
	File string // that holds it, for applications that read one; empty if none does
	Text string // itself, or words that stand for it
}

//go:embed apps
var files embed.FS

// shown names the templates that serve several applications.
var shown = map[string]string{"jitsi": "prosody"}

// Render writes the settings of the application.
func (a App) Render(s Server) (string, error) {
	name := a.Name
	if other, ok := shown[name]; ok {
		name = other
	}
	t, err := template.New(name+".tmpl").Funcs(quotes).ParseFS(files, "apps/"+name+".tmpl")
	if err != nil {
		return "", fmt.Errorf("snippet: %w", err)
	}
	var b strings.Builder
	if err := t.Execute(&b, s); err != nil {
		return "", fmt.Errorf("snippet: %w", err)
	}
	return b.String(), nil
}
