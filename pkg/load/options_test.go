package load

import (
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"
)

// good are options that nothing is wrong with.
func good() Options {
	return Options{
		Server: Server{"192.0.2.1", 3478, UDP}, Scenario: Relay, Credentials: Credentials{User: "u", Password: "p", Users: 1},
		Clients: 10, Size: 160, Burst: 1, Window: 256, Direction: Both, Peer: PeerSocket, Handshakes: 32, Duration: time.Second,
	}
}

func TestValidate(t *testing.T) {
	fine := good()
	if err := fine.Validate(); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Options){
		"no server":                      func(o *Options) { o.Server = Server{} },
		`scenario "x"`:                   func(o *Options) { o.Scenario = "x" },
		`direction "x"`:                  func(o *Options) { o.Direction = "x" },
		`peer "x"`:                       func(o *Options) { o.Peer = "x" },
		"clients is 0":                   func(o *Options) { o.Clients = 0 },
		"size is 31: want 32 to 4000":    func(o *Options) { o.Size = 31 },
		"size is 4001":                   func(o *Options) { o.Size = 4001 },
		"burst is 0":                     func(o *Options) { o.Burst = 0 },
		"window is 0":                    func(o *Options) { o.Window = 0 },
		"handshakes is -1":               func(o *Options) { o.Handshakes = -1 },
		"rate is -1":                     func(o *Options) { o.Rate = -1 },
		"does not let a burst of 32 out": func(o *Options) { o.Window, o.Burst = 16, 32 },
		"duration is 0s":                 func(o *Options) { o.Duration = 0 },
		"can't be negative":              func(o *Options) { o.Warmup = -1 },
		"pid is -1":                      func(o *Options) { o.PID = -1 },
		"not both":                       func(o *Options) { o.Credentials.Shared = "s" },
		"no credentials":                 func(o *Options) { o.Credentials.Password = "" },
		"several users":                  func(o *Options) { o.Credentials.Users = 2 },
		"users is 0":                     func(o *Options) { o.Credentials = Credentials{Shared: "s"} },
		"an address to bind, or": func(o *Options) {
			o.Bind, o.ClientNet = netip.MustParseAddr("::1"), netip.MustParsePrefix("10.0.0.0/8")
		},
		"10.0.0.0/8 is":                   func(o *Options) { o.ClientNet = netip.MustParsePrefix("10.1.0.0/8") },
		"6 addresses for 10 clients":      func(o *Options) { o.ClientNet = netip.MustParsePrefix("10.0.0.8/29") },
		"with relays as peers there is":   func(o *Options) { o.Peer, o.PeerAddress = PeerRelay, netip.MustParseAddrPort("10.0.0.1:0") },
		"size is 1: want 32 to 4000\nbur": func(o *Options) { o.Size, o.Burst = 1, 1000 },
	} {
		if runtime.GOOS != "linux" && strings.Contains(want, "10.0.0.0") {
			continue
		}
		o := good()
		change(&o)
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	for _, s := range []Scenario{Challenge, Binding} {
		o := good()
		o.Scenario, o.Credentials = s, Credentials{Users: 1}
		if err := o.Validate(); err != nil {
			t.Errorf("%s needs no credentials: %v", s, err)
		}
	}
}

func TestClientNet(t *testing.T) {
	for _, c := range []struct {
		net         string
		hosts       int
		first, last string
	}{
		{"10.0.0.8/29", 6, "10.0.0.9", "10.0.0.14"},
		{"198.18.0.0/16", 65534, "198.18.0.1", "198.18.255.254"},
		{"10.0.0.0/32", 0, "10.0.0.1", ""},
		{"2001:db8::/112", 65535, "2001:db8::1", "2001:db8::ffff"},
		{"2001:db8::/32", 1 << 30, "2001:db8::1", "2001:db8::4000:0"},
	} {
		n := netip.MustParsePrefix(c.net)
		if got := hosts(n); got != c.hosts {
			t.Errorf("%s has %d hosts, want %d", c.net, got, c.hosts)
		}
		if got := hostOf(n, 0).String(); got != c.first {
			t.Errorf("the first of %s is %s", c.net, got)
		}
		if c.hosts > 0 {
			if got := hostOf(n, c.hosts-1).String(); got != c.last {
				t.Errorf("the last of %s is %s", c.net, got)
			}
		}
	}
}

// The credentials are those that coturn's documentation makes:
// base64(HMAC-SHA1(secret, expiry:user)).
func TestUsers(t *testing.T) {
	c := Credentials{Shared: "north", Users: 2}
	got := c.users(time.Unix(1_400_000_000, 0), time.Minute)
	// printf %s 1400003660:load-1 | openssl dgst -sha1 -hmac north -binary | base64
	if len(got) != 2 || got[1] != (user{"1400003660:load-1", "WnllNroozuMPkabRGYF8WNWv24M="}) {
		t.Errorf("%+v", got)
	}
	c = Credentials{User: "u", Password: "p", Users: 1}
	if got := c.users(time.Now(), 0); len(got) != 1 || got[0] != (user{"u", "p"}) {
		t.Errorf("%+v", got)
	}
	if s := Secret("x"); s.String() != "[redacted]" || s.GoString() != "[redacted]" {
		t.Error("a secret prints")
	}
}
