package config

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// readSection reads the keys of a section that were given.
func (l *loader) readSection(n *yaml.Node, s *shape, path string) map[string]any {
	values := map[string]any{}
	if !l.isPlain(n, path) {
		return values
	}
	if n.Kind != yaml.MappingNode {
		l.fault(path, "is "+describe(n)+", not a section", "put its keys below it, indented, each with a colon")
		return values
	}
	lines := map[string]int{}
	for i := 0; i < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		at := under(path, keyName(key))
		l.places[at] = placeOf(key)
		if !l.isPlain(key, at) {
			continue
		}
		f := s.lookUp(key.Value) // of a list or section as key the value is empty
		first := lines[key.Value]
		switch {
		case f == nil:
			l.unknown(at, key, s)
		case first > 0:
			l.fault(at, fmt.Sprintf("is given twice, the first time in line %d", first), "keep one of them")
		default:
			lines[key.Value] = key.Line
			if value.Kind == yaml.ScalarNode && !isNull(value) {
				l.places[at] = placeOf(value)
			}
			if v, ok := l.readValue(value, f, at); ok {
				values[f.name] = v
			}
		}
	}
	for _, f := range s.fields {
		if at := under(path, f.name); f.required && lines[f.name] == 0 {
			l.fault(at, "is missing", "add "+f.name+": "+f.want())
		}
	}
	return values
}

// readValue reads what stands behind a key, if it is fit to be used.
func (l *loader) readValue(n *yaml.Node, s *shape, path string) (any, bool) {
	switch s.kind {
	case section:
		return l.readSection(n, s, path), true
	case scalar:
		return l.readScalar(n, s, path)
	}
	if !l.isPlain(n, path) {
		return nil, false
	}
	if n.Kind != yaml.SequenceNode {
		l.fault(path, "is "+describe(n)+", not a list", "write a list: [a, b], or a line with a dash for each entry, or [] for none")
		return nil, false
	}
	list := make([]any, len(n.Content))
	for i, item := range n.Content {
		at := entry(path, i)
		l.places[at] = placeOf(item)
		if s.kind == entryList {
			list[i] = l.readEntry(item, s, at)
			continue
		}
		var ok bool
		if s.typ == lineType {
			list[i], ok = l.readLine(item, s, at)
		} else {
			list[i], ok = l.readScalar(item, s, at)
		}
		if !ok {
			list[i] = s.zero() // so that the ones behind it keep their number
		}
	}
	return list, true
}

// readEntry reads a section in a list. What it leaves out gets its default
// here, as viper has no defaults in lists.
func (l *loader) readEntry(n *yaml.Node, s *shape, path string) map[string]any {
	values := s.entryDefaults()
	for name, value := range l.readSection(n, s, path) {
		values[name] = value
	}
	return values
}

// readScalar reads a single value. YAML's idea of its type has to fit: where a
// text was meant and a number stands, nobody knows which digits were lost.
func (l *loader) readScalar(n *yaml.Node, s *shape, path string) (any, bool) {
	if !l.isPlain(n, path) {
		return nil, false
	}
	if n.Kind != yaml.ScalarNode || isNull(n) {
		l.fault(path, "is "+describe(n), "give "+s.want())
		return nil, false
	}
	if cure := s.misread(n.ShortTag()); cure != "" {
		l.fault(path, "is "+describe(n), cure)
		return nil, false
	}
	value, p := s.parse(n.Value)
	if p.reason != "" {
		l.fault(path, p.reason, p.cure)
		return nil, false
	}
	return value, true
}

// misread says how to write a value that YAML takes for another type.
func (s *shape) misread(tag string) (cure string) {
	switch {
	case isDuration(s.typ) && tag != "!!str":
		return "give " + s.want()
	case isDuration(s.typ):
		return ""
	case isInteger(s.typ) && tag != "!!int" && tag != "!!float":
		return "give " + s.want() + ", without quotes"
	case isInteger(s.typ):
		return ""
	case s.typ == reflect.TypeFor[Ports]() && tag == "!!int", s.typ == reflect.TypeFor[time.Time]() && tag == "!!timestamp":
		return ""
	case s.typ.Kind() == reflect.Bool && tag != "!!bool":
		return "write true or false, without quotes"
	case s.typ.Kind() != reflect.Bool && tag != "!!str":
		return "put it in quotes"
	}
	return ""
}

// isPlain refuses what makes a file say other things than it seems to.
func (l *loader) isPlain(n *yaml.Node, path string) bool {
	switch {
	case n.Kind == yaml.AliasNode:
		l.fault(path, "is a YAML alias", "write out what it stands for")
	case n.Anchor != "":
		l.fault(path, "has a YAML anchor", "take it away, aliases are not read")
	case strings.HasPrefix(n.ShortTag(), "!") && !strings.HasPrefix(n.ShortTag(), "!!"):
		l.fault(path, "has a YAML tag", "take it away, nothing reads it")
	default:
		return true
	}
	return false
}

// unknown reports a key that the section does not have.
func (l *loader) unknown(path string, key *yaml.Node, s *shape) {
	if key.ShortTag() == "!!merge" {
		l.fault(path, "is a YAML merge", "write out the keys it stands for")
		return
	}
	var names []string
	for _, f := range s.fields {
		names = append(names, f.name)
	}
	cure := "the keys here are " + strings.Join(names, ", ")
	if name := Nearest(key.Value, names); name != "" {
		cure = "did you mean " + name + "?"
	} else if elsewhere := l.top.find(key.Value, ""); elsewhere != "" {
		cure = "did you mean " + elsewhere + "?"
	}
	l.fault(path, "is not a key", cure)
}
