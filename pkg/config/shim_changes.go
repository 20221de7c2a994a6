package config

import "bytes"

// Change is a stand-in until the branch C is merged.
type Change struct {
	Path     string
	Live     bool
	Old, New string
}

// String is the change for people.
func (c Change) String() string { return c.Path }

// Changes is a stand-in until the branch C is merged.
func (c *Config) Changes(next *Config) (all []Change) {
	if c.Realm != next.Realm {
		all = append(all, Change{Path: "realm"})
	}
	a, _ := c.Effective()
	b, _ := next.Effective()
	if !bytes.Equal(a, b) && c.Realm == next.Realm {
		all = append(all, Change{Path: "something", Live: true})
	}
	return all
}
