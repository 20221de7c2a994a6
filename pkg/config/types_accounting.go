package config

// Accounting is where a record of each session goes, for who bills by them.
type Accounting struct {
	// Lines of JSON are appended to this file; empty: none.
	File string `yaml:"file" default:"" unit:"path" apply:"restart"`
	// Whether they go to the stream {accounting} in Redis, which keeps them for 40
	// days.
	Stream bool `yaml:"stream" default:"false" unit:"true or false" apply:"restart"`
}

func (l *loader) checkAccounting(c *Config) {
	if c.Accounting.Stream && c.Store.Kind != inRedis {
		l.judge("accounting.stream", "is true, and the store is in memory", "give store.kind: redis, or accounting.file in place of the stream", "store.kind")
	}
}
