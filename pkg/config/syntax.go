package config

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// parse gives the root of the file's only document, or nil.
func (l *loader) parse(data []byte) *yaml.Node {
	d := yaml.NewDecoder(bytes.NewReader(data))
	var doc, next yaml.Node
	switch err := d.Decode(&doc); {
	case errors.Is(err, io.EOF) || err == nil && isNull(doc.Content[0]):
		l.fault("", "is empty", "begin with version: 1; "+l.example()+" has every key")
		return nil
	case err != nil:
		l.syntax(err, data)
		return nil
	}
	switch err := d.Decode(&next); {
	case err == nil:
		l.faultAt(next.Line, next.Column, "a second document begins", "keep one document in the file")
		return nil
	case !errors.Is(err, io.EOF):
		l.syntax(err, data)
		return nil
	}
	return doc.Content[0]
}

// example is the file that shows all that may stand in this one.
func (l *loader) example() string {
	if l.top == policyTop {
		return "deploy/policy.d/10-example.yaml"
	}
	return "config.example.yaml"
}

func (l *loader) faultAt(line, column int, reason, cure string) {
	l.faults = append(l.faults, Fault{File: l.file, Line: line, Column: column, Reason: reason, Cure: cure})
}

var reported = regexp.MustCompile(`^line (\d+): `)

// syntax reports what the YAML parser could not read.
func (l *loader) syntax(err error, data []byte) {
	reason := strings.TrimPrefix(err.Error(), "yaml: ")
	line, text := culprit(data)
	if found := reported.FindStringSubmatch(reason); found != nil {
		reason = strings.TrimPrefix(reason, found[0])
		if line == 0 {
			line, _ = strconv.Atoi(found[1])
		}
	}
	cure := "look at the indentation, the quotes and the brackets there"
	switch {
	case strings.Contains(text, "[:"):
		cure = `put an IPv6 address into quotes: "[::]:3478"`
	case strings.Contains(text, "\t"):
		cure = "indent with spaces, not tabs"
	case strings.Contains(reason, "cannot start any token"):
		cure = "put the value into quotes"
	case strings.Contains(reason, "mapping values are not allowed"):
		cure = "put a value that holds a colon into quotes, and look at the indentation"
	}
	column := len(text) - len(strings.TrimLeft(text, " ")) + 1
	l.faultAt(max(line, 1), column, "YAML: "+reason, cure)
}

// culprit is the line behind the longest beginning of a file that is YAML. The
// parser itself names the line where it gave up, or where the block began that
// it gave up in. Of a large file it is line 0: the search is quadratic.
func culprit(data []byte) (line int, text string) {
	const most = 8 << 20 // bytes read over again
	lines := bytes.SplitAfter(data, []byte("\n"))
	if len(lines)*len(data) > most {
		return 0, ""
	}
	end := len(data)
	for n := len(lines) - 1; n > 0; n-- {
		end -= len(lines[n])
		if isYAML(data[:end]) {
			return n + 1, string(lines[n])
		}
	}
	return 1, string(lines[0])
}

func isYAML(data []byte) bool {
	for d := yaml.NewDecoder(bytes.NewReader(data)); ; {
		if err := d.Decode(new(yaml.Node)); err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}
