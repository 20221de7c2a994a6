package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Change is one thing that another configuration says otherwise.
type Change struct {
	Path     string // an entry by its id: roles[guest].allocations
	Live     bool   // it can be taken over while sessions run
	Old, New string // secrets redacted; of a line that was added or taken away one is empty
	Place    Place  // where the new one stands; of a line taken away, where the old one stood
}

// String is path: old -> new (place).
func (c Change) String() string {
	said := c.Old + " -> " + c.New
	switch {
	case c.Old == "":
		said = "+ " + c.New
	case c.New == "":
		said = "- " + c.Old
	}
	return oneLined(fmt.Sprintf("%s: %s (%s)", c.Path, said, c.Place))
}

// Changes are all that next says otherwise. Where something stands makes no
// difference, nor the order of the policy's lines.
func (c *Config) Changes(next *Config) []Change {
	d := &diff{old: c, next: next}
	d.section(top, reflect.ValueOf(*c), reflect.ValueOf(*next), "", "")
	for kind, k := range kinds {
		for _, key := range listKeys {
			d.lines(under(k.main, key), slices.Collect(c.Policy.lines(kind, key)), slices.Collect(next.Policy.lines(kind, key)))
		}
	}
	return d.changes
}

// diff gathers changes. Paths are those of the next configuration, by index, as
// places are; what is shown has ids in their place.
type diff struct {
	old, next *Config
	changes   []Change
}

func (d *diff) add(s *shape, shown, path, was, is string) {
	if was != is {
		file, line, column := d.next.At(path)
		d.changes = append(d.changes, Change{Path: shown, Live: s.apply == "live", Old: s.shown(was), New: s.shown(is),
			Place: Place{file, line, column}})
	}
}

// shown is a value as it may be told.
func (s *shape) shown(text string) string {
	switch {
	case s.isSecret():
		return redacted
	case text == "":
		return `""`
	}
	return text
}

func (d *diff) section(s *shape, was, is reflect.Value, shown, path string) {
	for _, f := range s.fields {
		d.value(f, was.Field(f.field), is.Field(f.field), under(shown, f.name), under(path, f.name))
	}
}

func (d *diff) value(s *shape, was, is reflect.Value, shown, path string) {
	switch {
	case s.kind == section:
		d.section(s, was, is, shown, path)
	case s.kind == entryList:
		d.entries(s, was, is, shown, path)
	case s.typ == lineType && strings.HasPrefix(path, "roles["):
		d.lines(shown, pointers(was), pointers(is))
	case s.typ == lineType: // judged over all files
	default:
		d.add(s, shown, path, textOf(was), textOf(is))
		d.nonceKey(s, shown, path)
	}
}

func pointers(list reflect.Value) (lines []*Line) {
	for i := range list.Len() {
		lines = append(lines, list.Index(i).Addr().Interface().(*Line))
	}
	return lines
}

// nonceKey compares what is in a file whose name stays.
func (d *diff) nonceKey(s *shape, shown, path string) {
	was, is := &d.old.Credentials, &d.next.Credentials
	if path == "credentials.nonce_key_file" && was.NonceKeyFile == is.NonceKeyFile && was.NonceKey.Text() != is.NonceKey.Text() {
		d.changes = append(d.changes, Change{Path: shown, Live: s.apply == "live", Old: redacted, New: redacted, Place: Place{File: is.NonceKeyFile}})
	}
}

// textOf tells values apart.
func textOf(v reflect.Value) string {
	if v.Kind() == reflect.Slice {
		var words []string
		for i := range v.Len() {
			words = append(words, textOf(v.Index(i)))
		}
		return "[" + strings.Join(words, ", ") + "]"
	}
	if secret, ok := v.Interface().(Secret); ok {
		return secret.Text()
	}
	return scalarNode(v.Interface()).Value
}

// entries compares entries of the same id, or place where they have none, and
// which there are in which order.
func (d *diff) entries(s *shape, was, is reflect.Value, shown, path string) {
	before, now := names(s, was), names(s, is)
	d.add(s, shown, path, "["+strings.Join(before, ", ")+"]", "["+strings.Join(now, ", ")+"]")
	for i, name := range now {
		if j := slices.Index(before, name); j >= 0 {
			d.section(s, was.Index(j), is.Index(i), shown+"["+name+"]", entry(path, i))
		}
	}
}

// names are the ids of entries, or their numbers.
func names(s *shape, list reflect.Value) (all []string) {
	id := s.lookUp("id")
	for i := range list.Len() {
		if id == nil {
			all = append(all, fmt.Sprint(i))
		} else {
			all = append(all, list.Index(i).Field(id.field).String())
		}
	}
	return all
}

// maxLineChanges are told of one list each way.
const maxLineChanges = 20

// lines compares a list of the policy over all files. What is the same at both
// ends of a long list is most of it.
func (d *diff) lines(path string, was, is []*Line) {
	for len(was) > 0 && len(is) > 0 && was[0].says(is[0]) {
		was, is = was[1:], is[1:]
	}
	for len(was) > 0 && len(is) > 0 && was[len(was)-1].says(is[len(is)-1]) {
		was, is = was[:len(was)-1], is[:len(is)-1]
	}
	for _, l := range only(is, was) {
		d.changes = append(d.changes, Change{Path: path, Live: true, New: l.said, Place: l.place})
	}
	for _, l := range only(was, is) {
		d.changes = append(d.changes, Change{Path: path, Live: true, Old: l.said, Place: l.place})
	}
}

type saidLine struct {
	said  string
	place Place
}

// only are the lines of a list that are not in the other, or there less often;
// the last one stands for those beyond maxLineChanges.
func only(list, other []*Line) (all []saidLine) {
	rest := map[string]int{}
	for i := range other {
		rest[other[i].String()]++
	}
	for i := range list {
		said := list[i].String()
		if rest[said]--; rest[said] < 0 {
			all = append(all, saidLine{said, list[i].Place})
		}
	}
	if more := len(all) - maxLineChanges; more > 1 {
		all = all[:maxLineChanges+1]
		all[maxLineChanges].said = fmt.Sprintf("%d lines, this the first of them: %s", more, all[maxLineChanges].said)
	}
	return all
}
