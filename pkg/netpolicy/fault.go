package netpolicy

import "fmt"

// Fault is one thing wrong with a line.
type Fault struct {
	List   string // Deny, Allow, or Roles[NAME]
	Index  int    // in that list
	Place  string // Line.Place, if the line has one
	Reason string // the line, what is wrong with it, and the cure
}

// Error names the place of the line, or where it stands in its list.
func (f *Fault) Error() string {
	if f.Place != "" {
		return fmt.Sprintf("netpolicy: %s: %s", f.Place, f.Reason)
	}
	return fmt.Sprintf("netpolicy: %s[%d] %s", f.List, f.Index, f.Reason)
}

type faults []error

func (f *faults) add(format string, args ...any) {
	*f = append(*f, fmt.Errorf("netpolicy: "+format, args...))
}

func (f *faults) line(list string, index int, l Line, reason string) {
	*f = append(*f, &Fault{List: list, Index: index, Place: l.Place, Reason: fmt.Sprintf("%v: %s", l, reason)})
}
