package config

import (
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"
)

// Options say what to load.
type Options struct {
	Path    string   // of the file
	Environ []string // KEY=value, as os.Environ gives it
	// InForce is the configuration that what is loaded is to take the place of,
	// or nil at the start. A list of its policy may not become empty by accident.
	InForce *Config
}

// Load reads the file and lays the environment over it. An error is [Faults],
// with everything that is wrong.
func Load(o Options) (*Config, []Warning, error) {
	l := newLoader(o)
	if data := l.readConfig(); data != nil {
		return l.load(data)
	}
	return nil, nil, l.faults
}

// loader is one Load under way.
type loader struct {
	origin
	dir         string // of the file, absolute
	credentials string // systemd's LoadCredential; may be empty
	env         map[string]string
	exposed     bool // anybody may read the file
	top         *shape
	inForce     *Config
	sum         sum
	named       []named          // so far
	linePlaces  map[string]place // of the line that is read

	faults   Faults
	warnings []Warning
	bad      map[string]bool // paths with a fault found while reading
}

func newLoader(o Options) *loader {
	l := &loader{origin: origin{file: o.Path, places: map[string]place{}}, env: map[string]string{}, bad: map[string]bool{},
		top: top, inForce: o.InForce}
	for _, pair := range o.Environ {
		name, value, _ := strings.Cut(pair, "=")
		l.env[name] = value
	}
	l.credentials = l.env["CREDENTIALS_DIRECTORY"]
	return l
}

// load is everything after the file has been read.
func (l *loader) load(data []byte) (*Config, []Warning, error) {
	c := l.merge(data)
	if c == nil {
		return nil, nil, l.faults
	}
	l.complete(c)
	l.completePolicy(&c.Policy)
	l.check(c)
	l.checkShrunk(c)
	l.checkShrunkRoles(c)
	if len(l.faults) > 0 {
		l.faults.Sort()
		return nil, l.warnings, l.faults
	}
	for _, n := range l.named {
		l.sum.add(n.file, n.data)
	}
	c.origin, c.sum = l.origin, l.sum
	return c, l.warnings, nil
}

// merge lays defaults, file and environment over each other. The text is parsed
// once: viper gets the values of that parse, so that no second reader of YAML
// can come to another opinion.
func (l *loader) merge(data []byte) *Config {
	l.sum.add("", data)
	root := l.parse(data)
	if root == nil {
		return nil
	}
	v := viper.NewWithOptions(viper.KeyDelimiter(delimiter)) // dots occur in names
	setDefaults(v, top, "")
	if err := v.MergeConfigMap(l.readSection(root, top, "")); err != nil {
		l.fault("", err.Error(), "")
	}
	if roles, _ := v.Get("roles").([]any); len(roles) == 0 {
		v.Set("roles", top.lookUp("roles").defaultValue())
	}
	l.readEnvironment(v)

	c := new(Config)
	if err := v.UnmarshalExact(c, strict); err != nil {
		l.fault("", err.Error(), "")
	}
	return c
}

const delimiter = "::"

// strict takes the values as they are: they have been parsed before.
func strict(d *mapstructure.DecoderConfig) {
	d.TagName, d.WeaklyTypedInput, d.DecodeHook = "yaml", false, nil
}

// setDefaults gives viper the defaults of all keys that are not in entries.
func setDefaults(v *viper.Viper, s *shape, key string) {
	for _, f := range s.fields {
		name := viperKey(key, f.name)
		if f.kind == section {
			setDefaults(v, f, name)
		} else if !f.required {
			v.SetDefault(name, f.defaultValue())
		}
	}
}

func viperKey(key, name string) string {
	if key == "" {
		return name
	}
	return key + delimiter + name
}

// complete does what reading a value alone can't: it reads the files that
// keys name, but for the policy's, and settles defaults that depend on other keys.
func (l *loader) complete(c *Config) {
	if _, set := l.places["issuer.listen"]; !set && len(c.Issuer.APIKeys) == 0 {
		c.Issuer.Listen = nil
	}
	for i := range c.Credentials.IssuerKeys {
		k := &c.Credentials.IssuerKeys[i]
		l.completeSecret(entry("credentials.issuer_keys", i), &k.Secret, &k.SecretFile)
	}
	for i := range c.Credentials.SharedSecrets {
		s := &c.Credentials.SharedSecrets[i]
		l.completeSecret(entry("credentials.shared_secrets", i), &s.Secret, &s.SecretFile)
	}
	for i := range c.Credentials.Users {
		l.completeUser(entry("credentials.users", i), &c.Credentials.Users[i])
	}
	k := &c.Credentials
	k.NonceKeyFile, k.NonceKey = l.completeKey("credentials.nonce_key_file", k.NonceKeyFile, minNonceKey)
	l.completeTLS(c)
	l.completeCertificate("tls", &c.TLS.CertificateFile, &c.TLS.KeyFile)
	l.completeCertificate("issuer", &c.Issuer.CertificateFile, &c.Issuer.KeyFile)
	l.completeStore(&c.Store)
	if c.Accounting.File != "" {
		c.Accounting.File = l.inFolder(c.Accounting.File)
	}
	c.completeRoles()
	l.completeRevocations(&c.Credentials)
}

// fault is one found while reading the value at path. What depends on that
// value is not judged any more.
func (l *loader) fault(path, reason, cure string) {
	l.bad[path] = true
	l.faults = append(l.faults, l.Fault(path, reason, cure))
}

// judge is a fault of a value that was read, or of several together: it says
// nothing where one of them could not be read.
func (l *loader) judge(path, reason, cure string, others ...string) {
	for _, p := range append(others, path) {
		if l.isBad(p) {
			return
		}
	}
	l.faults = append(l.faults, l.Fault(path, reason, cure))
}

func (l *loader) warn(path, reason, cure string) {
	l.warnings = append(l.warnings, Warning(l.Fault(path, reason, cure)))
}

// isBad reports whether there is a fault at path, above it or below it.
func (l *loader) isBad(path string) bool {
	if l.bad[""] { // the file is no section
		return true
	}
	for p := path; p != ""; p = above(p) {
		if l.bad[p] {
			return true
		}
	}
	for p := range l.bad {
		if rest, below := strings.CutPrefix(p, path); below && strings.IndexAny(rest, ".[") == 0 {
			return true
		}
	}
	return false
}
