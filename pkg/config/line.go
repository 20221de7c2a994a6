package config

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// maxRemark is for a comment or a ticket, which logs and explanations repeat.
const maxRemark = 200

// Place is where something stands: a file with line and column from 1, or a
// variable of the environment without them.
type Place struct {
	File         string
	Line, Column int
}

// String is file:line:column.
func (p Place) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Fault is a fault of the line, found by whoever uses it.
func (l *Line) Fault(reason, cure string) Fault {
	return Fault{File: l.Place.File, Line: l.Place.Line, Column: l.Place.Column, Path: l.Path, Reason: reason, Cure: cure}
}

// Expired reports whether the line holds no more.
func (l *Line) Expired(now time.Time) bool { return !l.ExpiresAt.IsZero() && !now.Before(l.ExpiresAt) }

// earlier is when the line expires, if it holds now and that is before next.
func (l *Line) earlier(next, now time.Time) time.Time {
	if l.ExpiresAt.After(now) && (next.IsZero() || l.ExpiresAt.Before(next)) {
		return l.ExpiresAt
	}
	return next
}

// says reports whether two lines say the same, wherever they stand.
func (l *Line) says(other *Line) bool {
	return l.Match == other.Match && slices.Equal(l.Ports, other.Ports) && l.Comment == other.Comment && l.Ticket == other.Ticket &&
		l.ExpiresAt.Equal(other.ExpiresAt)
}

// isShort reports whether the match alone says everything.
func (l *Line) isShort() bool {
	return len(l.Ports) == 0 && l.Comment == "" && l.Ticket == "" && l.ExpiresAt.IsZero()
}

// String is all that the line says, for people.
func (l *Line) String() string {
	var b strings.Builder
	b.WriteString(l.Match.String())
	for i, p := range l.Ports {
		b.WriteString([]string{", ports ", " "}[min(i, 1)] + p.String())
	}
	if !l.ExpiresAt.IsZero() {
		b.WriteString(", until " + l.ExpiresAt.UTC().Format(time.RFC3339Nano))
	}
	if l.Comment != "" {
		b.WriteString(", comment " + strconv.Quote(l.Comment))
	}
	if l.Ticket != "" {
		b.WriteString(", ticket " + strconv.Quote(l.Ticket))
	}
	return b.String()
}

// UnmarshalText implements [encoding.TextUnmarshaler] for the short form.
func (l *Line) UnmarshalText(text []byte) error { return l.Match.UnmarshalText(text) }

var lineType = reflect.TypeFor[Line]()

// lineShape is the long form of a line.
var lineShape = &shape{name: "line", kind: section, typ: lineType, fields: shapesOf(lineType)}

// readLine reads a line in either form.
func (l *loader) readLine(n *yaml.Node, s *shape, path string) (any, bool) {
	var line Line
	if n.Kind == yaml.MappingNode {
		var ok bool
		if line, ok = l.readLongLine(n, path); !ok {
			return nil, false
		}
	} else if short, ok := l.readScalar(n, s, path); ok {
		line = short.(Line)
	} else {
		return nil, false
	}
	line.Place, line.Path = Place{l.file, n.Line, n.Column}, path
	return line, true
}

// readLongLine reads a line's keys. Their places are needed for its faults
// alone, and would be most of what a long list leaves in memory.
func (l *loader) readLongLine(n *yaml.Node, path string) (Line, bool) {
	faults, places := len(l.faults), l.places
	if l.linePlaces == nil {
		l.linePlaces = map[string]place{}
	}
	clear(l.linePlaces)
	l.places = l.linePlaces
	l.places[path] = placeOf(n)
	line := lineOf(l.readSection(n, lineShape, path))
	l.checkRemark(under(path, "comment"), line.Comment)
	l.checkRemark(under(path, "ticket"), line.Ticket)
	l.places = places
	return line, len(l.faults) == faults
}

// lineOf makes a line of the keys that were given.
func lineOf(values map[string]any) (line Line) {
	line.Match, _ = values["match"].(Match)
	line.Comment, _ = values["comment"].(string)
	line.Ticket, _ = values["ticket"].(string)
	line.ExpiresAt, _ = values["expires_at"].(time.Time)
	ports, _ := values["ports"].([]any)
	for _, p := range ports {
		line.Ports = append(line.Ports, p.(Ports))
	}
	return line
}

// checkRemark keeps away what could garble a log or a terminal.
func (l *loader) checkRemark(path, text string) {
	if len(text) > maxRemark || !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		l.fault(path, "is "+clip(text), fmt.Sprintf("give up to %d bytes of printable text in one line", maxRemark))
	}
}

// lineNode is a line as it may stand in a file.
func lineNode(l *Line) *yaml.Node {
	if l.isShort() {
		return scalarNode(l.Match)
	}
	n := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
	add := func(key string, value *yaml.Node) {
		n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: key}, value)
	}
	add("match", scalarNode(l.Match))
	if len(l.Ports) > 0 {
		list := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
		for _, p := range l.Ports {
			list.Content = append(list.Content, scalarNode(p))
		}
		add("ports", list)
	}
	if l.Comment != "" {
		add("comment", scalarNode(l.Comment))
	}
	if l.Ticket != "" {
		add("ticket", scalarNode(l.Ticket))
	}
	if !l.ExpiresAt.IsZero() {
		add("expires_at", scalarNode(l.ExpiresAt))
	}
	return n
}
