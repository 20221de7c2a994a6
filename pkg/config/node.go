package config

import (
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// describe says what a node is, and never what it holds.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a section"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.ShortTag() {
	case "!!null":
		return "without a value"
	case "!!str":
		return "a text"
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "true or false"
	case "!!timestamp":
		return "a date"
	}
	return "of another YAML type"
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

func placeOf(n *yaml.Node) place { return place{line: n.Line, column: n.Column} }

// keyName is a key as it may stand in a path.
func keyName(key *yaml.Node) string {
	if key.Kind != yaml.ScalarNode {
		return "?"
	}
	if len(key.Value) > 64 || key.Value == "" || strings.Trim(key.Value, nameChars) != "" {
		return clip(key.Value)
	}
	return key.Value
}

// lookUp is the shape of a key in a section, or nil.
func (s *shape) lookUp(name string) *shape {
	for _, f := range s.fields {
		if f.name == name {
			return f
		}
	}
	return nil
}

// find is the path of a key of that name in another section, or nothing.
func (s *shape) find(name, path string) string {
	for _, f := range s.fields {
		at := under(path, f.name)
		if f.name == name {
			return at
		}
		if f.kind == section {
			if found := f.find(name, at); found != "" {
				return found
			}
		}
	}
	return ""
}

// zero is the value that stands where a bad one was given.
func (s *shape) zero() any { return reflect.Zero(s.typ).Interface() }

// defaultValue is the default as a value. It is read as the file is: a default
// that is no value of its key is found by the first test that loads anything.
func (s *shape) defaultValue() any {
	if s.kind == scalar {
		value, p := s.parse(s.def)
		if p.reason != "" {
			panic(s.name + ": default: " + p.reason)
		}
		return value
	}
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(s.def), &doc); err != nil {
		panic(s.name + ": default: " + err.Error())
	}
	l := newLoader(Options{})
	value, _ := l.readValue(doc.Content[0], s, s.name)
	if len(l.faults) > 0 {
		panic(s.name + ": default: " + l.faults.Error())
	}
	return value
}

// entryDefaults are the defaults of the keys of an entry.
func (s *shape) entryDefaults() map[string]any {
	values := map[string]any{}
	for _, f := range s.fields {
		if !f.required {
			values[f.name] = f.defaultValue()
		}
	}
	return values
}

const nameChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"

// defaultText is the default as it would stand in the file: a text that YAML
// could take for another type is quoted.
func (s *shape) defaultText() string {
	if s.kind == scalar && s.misread("!!str") == "" {
		return strconv.Quote(s.def)
	}
	return s.def
}
