package config

import (
	"time"
)

// Policy says which peers may be reached, and who may come at all. No line opens
// loopback, link-local and multicast addresses, cloud metadata, or a service of
// our own.
type Policy struct {
	// What becomes of an address that no line names: public allows the public
	// Internet, allowlist nothing.
	Mode Mode `yaml:"mode" default:"public" enum:"public,allowlist" unit:"public or allowlist" apply:"live"`
	// Which peers may be reached though they are special, such as an SFU's
	// private address.
	Allow []Line `yaml:"allow" default:"[]" unit:"ADDRESS/BITS, FROM-TO, an address or a preset" apply:"live"`
	// Which peers may not be reached. These lines win over allow.
	Deny []Line `yaml:"deny" default:"[]" unit:"ADDRESS/BITS, FROM-TO, an address or a preset" apply:"live"`
	// Who may send to the relay at all.
	Clients ClientPolicy `yaml:"clients"`
	// Who may ask the issuer for credentials.
	IssuerClients ClientPolicy `yaml:"issuer_clients"`
	// The folder of files with more lines, *.yaml and *.yml, read in the order of
	// their names. It may be missing where the default stands.
	Directory string `yaml:"directory" default:"policy.d" unit:"path" apply:"live"`
	// Whether a list that has lines may have none after a reload. A list of a
	// policy file needs it in that file, too.
	AllowEmpty bool `yaml:"allow_empty" default:"false" unit:"true or false" apply:"live"`
	// What the files of the folder say.
	Files []PolicyFile `yaml:"-"`
	// Which peers roles may reach, by id; a role that is not there reaches all.
	Roles map[string][]Line `yaml:"-"`
}

// ClientPolicy says which clients may come. Ports make no difference.
type ClientPolicy struct {
	// What becomes of a client that no line names: public lets it come,
	// allowlist does not.
	Mode Mode `yaml:"mode" default:"public" enum:"public,allowlist" unit:"public or allowlist" apply:"live"`
	// Who may come where the mode is allowlist.
	Allow []Line `yaml:"allow" default:"[]" unit:"ADDRESS/BITS, FROM-TO, an address or a preset" apply:"live"`
	// Who may not come. These lines win over allow.
	Deny []Line `yaml:"deny" default:"[]" unit:"ADDRESS/BITS, FROM-TO, an address or a preset" apply:"live"`
}

// Line is an entry of a list of the policy. The match alone, without a key,
// stands for an entry that has nothing else.
type Line struct {
	// Which addresses: ADDRESS/BITS, FROM-TO, a single address, or a preset:
	// special-purpose, cloud-metadata, transition, rfc1918, local-routes, self.
	Match Match `yaml:"match" unit:"ADDRESS/BITS, FROM-TO, an address or a preset" apply:"live"`
	// At which ports; an empty list: at every port. A permission has no port (RFC
	// 8656 §9): ports are judged at ChannelBind, Send and every datagram.
	Ports []Ports `yaml:"ports" default:"[]" unit:"PORT or FROM-TO" apply:"live"`
	// What it is for.
	Comment string `yaml:"comment" default:"" unit:"text" apply:"live"`
	// Where it was asked for.
	Ticket string `yaml:"ticket" default:"" unit:"text" apply:"live"`
	// From when on it holds no more.
	ExpiresAt time.Time `yaml:"expires_at" default:"" unit:"time, such as 2026-12-31T00:00:00Z" apply:"live"`
	// Where it stands, and the path of it there.
	Place Place  `yaml:"-"`
	Path  string `yaml:"-"`
}

// PolicyFile is one file of the policy's folder.
type PolicyFile struct {
	// The version of this format.
	Version int `yaml:"version" min:"1" max:"1" apply:"live"`
	// Which peers may be reached.
	Peers Lists `yaml:"peers"`
	// Who may send to the relay at all.
	Clients Lists `yaml:"clients"`
	// Who may ask the issuer for credentials.
	IssuerClients Lists `yaml:"issuer_clients"`
	// Whether the file may have no line, and a list of it that has lines none
	// after a reload.
	AllowEmpty bool `yaml:"allow_empty" default:"false" unit:"true or false" apply:"live"`

	origin  origin
	content sum // of what was read
}

// Lists are lines of one kind.
type Lists struct {
	// Who or what is refused. These lines win over allow.
	Deny []Line `yaml:"deny" default:"[]" unit:"ADDRESS/BITS, FROM-TO, an address or a preset" apply:"live"`
	// Who or what is let through.
	Allow []Line `yaml:"allow" default:"[]" unit:"ADDRESS/BITS, FROM-TO, an address or a preset" apply:"live"`
}
