package config

import "strings"

// origin is where each value of a Config came from.
type origin struct {
	file   string
	places map[string]place // of what was given, by path
}

// place is a position in the file, or an environment variable.
type place struct {
	line, column int
	variable     string
}

// At is where the value at a path was given: in the file, or with line 0 in the
// environment variable that file names. Of a value that was not given it is the
// place of the section that it would stand in.
func (o *origin) At(path string) (file string, line, column int) {
	for ; path != ""; path = above(path) {
		if p, found := o.places[path]; found {
			if p.variable != "" {
				return p.variable, 0, 0
			}
			return o.file, p.line, p.column
		}
	}
	return o.file, 1, 1
}

// Fault is a fault of the value at a path, such as
// credentials.issuer_keys[0].secret_file, found by whoever uses it.
func (o *origin) Fault(path, reason, cure string) Fault {
	file, line, column := o.At(path)
	return Fault{File: file, Line: line, Column: column, Path: path, Reason: reason, Cure: cure}
}

// given reports whether anything was given at a path or around it.
func (o *origin) given(path string) bool {
	for ; path != ""; path = above(path) {
		if _, found := o.places[path]; found {
			return true
		}
	}
	return false
}

// replace says that the value at path, with all that it holds, is a variable's.
func (o *origin) replace(path, variable string) {
	for p := range o.places {
		if strings.HasPrefix(p, path+"[") {
			delete(o.places, p)
		}
	}
	o.places[path] = place{variable: variable}
}

// At is where the value at a path was given: in the file, or with line 0 in the
// environment variable that file names. Of a value that was not given it is the
// place of the section that it would stand in.
func (c *Config) At(path string) (file string, line, column int) { return c.origin.At(path) }

// Given reports whether the value at a path was given, and is not the default.
func (c *Config) Given(path string) bool {
	_, found := c.origin.places[path]
	return found
}

// Fault is a fault of the value at a path, such as
// credentials.issuer_keys[0].secret_file, in the form of those that Load finds.
func (c *Config) Fault(path, reason, cure string) Fault { return c.origin.Fault(path, reason, cure) }
