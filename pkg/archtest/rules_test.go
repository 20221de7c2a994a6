package archtest

// floors says how high each package stands. A package imports only packages of
// lower floors, so rooms of one floor never know each other.
var floors = map[string]int{
	"turnpike/cmd/turnpike": 5,

	"turnpike/relay":                3,
	"turnpike/relay/dataplane/std":  3,
	"turnpike/relay/dataplane/mmsg": 3,
	"turnpike/relay/dataplane/mem":  3,
	"turnpike/pkg/issuer":           3,
	"turnpike/pkg/probe":            3,
	"turnpike/pkg/load":             3,

	"turnpike/relay/gate":   2,
	"turnpike/relay/engine": 2,
	"turnpike/relay/stream": 2,

	"turnpike/ratelimit/memstore":   2,
	"turnpike/ratelimit/redisstore": 2,

	"turnpike/auth":            1,
	"turnpike/ratelimit":       1,
	"turnpike/relay/dataplane": 1,
	"turnpike/pkg/netpolicy":   1,
	"turnpike/pkg/metrics":     1,
	"turnpike/pkg/config":      1,
	"turnpike/pkg/certs":       1,
	"turnpike/pkg/acme":        1,
	"turnpike/pkg/udpio":       1,
	"turnpike/pkg/hostnet":     1,
	"turnpike/pkg/snippet":     1,
	"turnpike/pkg/accounting":  1,
}

// testRooms are for tests: only tests, and other test rooms, import them. One
// that stands on a floor keeps the rules of it.
var testRooms = map[string]bool{
	"turnpike/relay/relaytest":           true,
	"turnpike/relay/relaytest/versus":    true,
	"turnpike/relay/relaytest/wire":      true,
	"turnpike/relay/relaytest/wire/pure": true,
	"turnpike/relay/dataplane/planetest": true,
	"turnpike/relay/dataplane/mem":       true,
	"turnpike/pkg/archtest":              true,
	"turnpike/ratelimit/storetest":       true,
	"turnpike/ratelimit/redistest":       true,
}

// pure packages decide and do nothing else: no file, no socket, no clock of
// their own beyond what they are given.
var pure = map[string]bool{
	"turnpike/auth": true, "turnpike/ratelimit": true, "turnpike/pkg/netpolicy": true,
	"turnpike/relay/dataplane": true, "turnpike/relay/gate": true,
}

// noIO is what a pure package does not import.
var noIO = map[string]string{
	"os": "is I/O in a package that decides", "net": "is I/O in a package that decides; net/netip will do",
	"net/http": "is I/O in a package that decides", "os/exec": "is I/O in a package that decides",
	"syscall": "is I/O in a package that decides",
}

// allowed says which packages may import which module, and why it is here.
var allowed = []struct {
	module   string
	packages []string
	why      string
}{
	{"github.com/pion/turn/v4", []string{"turnpike/relay/engine"}, "the TURN engine, never exposed: package engine is its only door"},
	{"github.com/pion/logging", []string{"turnpike/relay/engine"}, "pion's logger interface, to count instead of log"},
	{"github.com/pion/stun/v3", []string{"turnpike/relay/gate", "turnpike/relay/engine", "turnpike/pkg/probe"}, "STUN numbers and codec, behind our own checks"},
	{"github.com/redis/go-redis/v9", []string{"turnpike/ratelimit/redisstore"}, "Redis alone, behind Sentinel and as a Cluster"},
	{"golang.org/x/time", []string{"turnpike/ratelimit"}, "token buckets"},
	{"golang.org/x/sys", []string{"turnpike/relay/dataplane/std", "turnpike/relay/dataplane/mmsg", "turnpike/pkg/udpio", "turnpike/pkg/load", "turnpike/pkg/hostnet"}, "sends that never wait, batches of datagrams, epoll, netlink"},
	{"github.com/gaissmai/bart", []string{"turnpike/pkg/netpolicy"}, "longest match in lists of 100,000 prefixes"},
	{"github.com/pires/go-proxyproto", []string{"turnpike/relay/stream"}, "PROXY headers of load balancers"},
	{"golang.org/x/sync", []string{"turnpike/cmd/turnpike"}, "errgroup: several servers, one end"},
	{"github.com/spf13/cobra", []string{"turnpike/cmd/turnpike"}, "subcommands, help, completion"},
	{"github.com/coreos/go-systemd/v22", []string{"turnpike/cmd/turnpike"}, "sd_notify"},
	{"github.com/spf13/viper", []string{"turnpike/pkg/config"}, "merges file and environment"},
	{"go.yaml.in/yaml/v3", []string{"turnpike/pkg/config"}, "lines and columns, repeated keys; viper's own parser"},
	{"github.com/fsnotify/fsnotify", []string{"turnpike/pkg/config"}, "comes with viper: notice of changed files"},
	{"github.com/go-viper/mapstructure/v2", []string{"turnpike/pkg/config"}, "comes with viper: typed decoding"},
	{"github.com/invopop/jsonschema", []string{"turnpike/pkg/config"}, "the schema of the configuration from its types"},
	{"golang.org/x/crypto", []string{"turnpike/pkg/acme"}, "the ACME client, and autocert's folder"},
	{"github.com/prometheus/client_golang", []string{"turnpike/pkg/metrics"}, "the exposition format and the runtime's metrics"},
	{"github.com/prometheus/client_model", []string{"turnpike/pkg/metrics"}, "comes with client_golang"},
}

// allowedInTests may be imported by any test and by test rooms.
var allowedInTests = map[string]string{
	"go.uber.org/goleak":                       "no goroutine outlives a test",
	"pgregory.net/rapid":                       "property tests against a model",
	"github.com/chromedp/chromedp":             "drives a real Chromium",
	"github.com/chromedp/cdproto":              "comes with chromedp",
	"github.com/pion/turn/v4":                  "pion's client against our server; stock pion as the negative control",
	"github.com/pion/stun/v3":                  "an independent codec to check ours with",
	"github.com/pion/logging":                  "comes with pion/turn",
	"github.com/prometheus/client_golang":      "promlint, testutil",
	"github.com/prometheus/client_model":       "reads an exposition",
	"github.com/prometheus/common":             "parses an exposition",
	"github.com/redis/go-redis/v9":             "asks a server what is in it",
	"github.com/rogpeppe/go-internal":          "testscript: the binary as its user runs it",
	"github.com/santhosh-tekuri/jsonschema/v6": "validates the example against the schema",
	"go.yaml.in/yaml/v3":                       "parses what is printed as YAML, and the OpenAPI document",
	"golang.org/x/mod":                         "compares versions",
	"golang.org/x/sys":                         "namespaces and capabilities",
	"golang.org/x/time":                        "rates",
	"golang.org/x/sync":                        "groups of goroutines",
}

// oldest is the lowest version of a module without a hole we know of. A module
// that is not linked is not asked for.
var oldest = []struct{ module, version, why string }{
	{"github.com/pion/stun/v3", "v3.1.7", "before v3.1.3 one 32-byte packet ends the process (pion/stun#278)"},
	{"github.com/pion/dtls/v3", "v3.1.5", "if ever linked: state before the cookie exchange"},
	{"github.com/pion/transport/v4", "v4.1.0", "goes with stun v3.1.7"},
}

const (
	maxFileLines     = 420
	maxFunctionLines = 60
)
