package config

import (
	"bytes"
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"
)

// Effective is the configuration in force as a file: all keys with their
// values, secrets as [redacted], paths absolute. A comment names the variable
// of the environment that a value comes from.
func (c *Config) Effective() ([]byte, error) {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(c.section(top, reflect.ValueOf(*c), "")); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	return b.Bytes(), nil
}

// section prints the keys of a section or entry.
func (c *Config) section(s *shape, v reflect.Value, path string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for _, f := range s.fields {
		at := under(path, f.name)
		if f.isSecret() && (v.Field(f.field).IsZero() || isRead(s, f, v)) {
			continue // there is none, or where it was read from is printed instead
		}
		key, value := &yaml.Node{Kind: yaml.ScalarNode, Value: f.name}, c.value(f, v.Field(f.field), at)
		if variable := c.origin.places[at].variable; variable != "" {
			key.HeadComment = "from " + variable
		}
		n.Content = append(n.Content, key, value)
	}
	return n
}

// isRead reports whether a secret of an entry was read from a file.
func isRead(s, secret *shape, v reflect.Value) bool {
	for _, name := range []string{secret.name + "_file", "key_file"} {
		if f := s.lookUp(name); f != nil && v.Field(f.field).String() != "" {
			return true
		}
	}
	return false
}

func (c *Config) value(s *shape, v reflect.Value, path string) *yaml.Node {
	if s.kind == section {
		return c.section(s, v, path)
	}
	if s.kind == scalar {
		return scalarNode(v.Interface())
	}
	list := &yaml.Node{Kind: yaml.SequenceNode}
	for i := range v.Len() {
		if s.kind == entryList {
			list.Content = append(list.Content, c.section(s, v.Index(i), entry(path, i)))
		} else if line, ok := v.Index(i).Addr().Interface().(*Line); ok {
			list.Content = append(list.Content, lineNode(line))
		} else {
			list.Content = append(list.Content, scalarNode(v.Index(i).Interface()))
		}
	}
	if s.kind == scalarList || v.Len() == 0 {
		list.Style = yaml.FlowStyle
	}
	return list
}

// scalarNode is a value as parse reads it.
func scalarNode(value any) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str"}
	switch v := value.(type) {
	case time.Duration:
		n.Value = short(int64(v))
	case encoding.TextMarshaler:
		text, _ := v.MarshalText() // none of ours fails
		n.Value = string(text)
	case bool:
		n.Tag, n.Value = "!!bool", strconv.FormatBool(v)
	case int, int64, uint16:
		n.Tag, n.Value = "!!int", fmt.Sprint(v)
	default:
		n.Value = fmt.Sprint(v)
	}
	return n
}
