package certs

import "strings"

// Fault is one thing wrong with a file. File is the path as it was given, empty
// if none was.
type Fault struct{ File, Reason, Cure string }

func (f Fault) Error() string {
	if f.File == "" {
		return f.Reason + "; " + f.Cure
	}
	return f.File + ": " + f.Reason + "; " + f.Cure
}

// Faults is all that is wrong, never empty. It is what [Load] and
// [Certificate.Reload] return as their error.
type Faults []Fault

func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i := range f {
		lines[i] = f[i].Error()
	}
	return strings.Join(lines, "\n")
}

func (f *Faults) add(file, reason, cure string) {
	*f = append(*f, Fault{file, reason, cure})
}
