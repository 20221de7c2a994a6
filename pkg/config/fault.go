package config

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Fault is one thing that is wrong, where it stands, and what to do about it.
type Fault struct {
	File         string // or the environment variable
	Line, Column int    // from 1; 0: there is none
	Path         string // such as credentials.issuer_keys[0].secret_file; may be empty
	Reason, Cure string
}

// Error is file:line:column: path: reason; cure.
func (f Fault) Error() string {
	var b strings.Builder
	b.WriteString(f.File)
	if f.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", f.Line, f.Column)
	}
	if f.Path != "" {
		b.WriteString(": " + f.Path)
	}
	b.WriteString(": " + f.Reason)
	if f.Cure != "" {
		b.WriteString("; " + f.Cure)
	}
	return oneLined(b.String())
}

// oneLined writes what could garble a terminal or a log, such as a line end in
// the name of a file, as Go does.
func oneLined(text string) string {
	var b strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		if r == utf8.RuneError && size == 1 || !unicode.IsPrint(r) {
			b.WriteString(strings.Trim(strconv.QuoteToASCII(text[:size]), `"`))
		} else {
			b.WriteString(text[:size])
		}
		text = text[size:]
	}
	return b.String()
}

// Faults are all that is wrong, in the order in which it stands in the file, and
// then what has no line.
type Faults []Fault

// Error has a line for every fault.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, fault := range f {
		lines[i] = fault.Error()
	}
	return strings.Join(lines, "\n")
}

// Sort puts the faults in the order of their places.
func (f Faults) Sort() {
	slices.SortStableFunc(f, func(a, b Fault) int {
		if (a.Line == 0) != (b.Line == 0) {
			return cmp.Compare(b.Line, a.Line)
		}
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Path, b.Path))
	})
}

// Warning is something that is allowed and rarely meant. It has the form of a
// Fault.
type Warning Fault

// String is file:line:column: path: reason; cure.
func (w Warning) String() string { return Fault(w).Error() }
