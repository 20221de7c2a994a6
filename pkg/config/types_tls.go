package config

// TLS is the certificate that clients see. In a Config the paths are absolute.
type TLS struct {
	// The certificate chain, PEM, the server's own first.
	CertificateFile string `yaml:"certificate_file" default:"" unit:"path" apply:"live"`
	// Its private key, PEM. Not readable by everybody.
	KeyFile string `yaml:"key_file" default:"" unit:"path" apply:"live"`
	// What tls listeners and the issuer speak: high-security is TLS 1.3 alone.
	Profile string `yaml:"profile" default:"default" enum:"default,high-security" unit:"default or high-security" apply:"restart"`
	// The oldest TLS version spoken; with the profile high-security it is 1.3.
	MinVersion string `yaml:"min_version" default:"1.2" enum:"1.2,1.3" unit:"1.2 or 1.3" apply:"restart"`
}

// ACME is for certificates that the server gets by itself (RFC 8555), for tls
// listeners and the issuer.
type ACME struct {
	// The names to get certificates for, one each, 16 at most; nothing is asked
	// for others. Clients that name none get the first.
	Hosts []string `yaml:"hosts" default:"[]" unit:"host" apply:"restart"`
	// Where the certificate authority may write to about them.
	Email string `yaml:"email" default:"" unit:"address" apply:"restart"`
	// The directory of the certificate authority.
	DirectoryURL string `yaml:"directory_url" default:"https://acme-v02.api.letsencrypt.org/directory" unit:"https://HOST/PATH" apply:"restart"`
	// Whether the operator agrees to the authority's terms of service. Nothing is
	// asked without.
	AcceptTerms bool `yaml:"accept_terms" default:"false" unit:"true or false" apply:"restart"`
	// The folder that keys and certificates are kept in, for the server's user
	// alone; made if it is missing.
	CacheDirectory string `yaml:"cache_directory" default:"/var/lib/turnpike/acme" unit:"path" apply:"restart"`
}
