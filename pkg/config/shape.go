package config

import (
	"encoding"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// kind is what may stand behind a key.
type kind uint8

const (
	scalar kind = iota
	scalarList
	section   // keys
	entryList // a list whose entries are sections
)

// shape is what a key may hold, as the struct's fields and their tags say it.
// Reading, the environment, printing and the schema all go by it.
type shape struct {
	name   string
	field  int // in the struct above
	kind   kind
	typ    reflect.Type // of the value, in a list of an entry
	fields []*shape     // of a section, or of each entry

	def      string // as it would stand in the file
	required bool
	min, max int64 // of numbers, and of durations in nanoseconds
	enum     []string
	unit     string
	apply    string
}

// top is the shape of the whole file.
var top = &shape{kind: section, typ: reflect.TypeFor[Config](), fields: shapesOf(reflect.TypeFor[Config]())}

func shapesOf(t reflect.Type) (list []*shape) {
	for i := range t.NumField() {
		f := t.Field(i)
		if name := f.Tag.Get("yaml"); f.IsExported() && name != "-" {
			list = append(list, shapeOf(name, i, f))
		}
	}
	return list
}

func shapeOf(name string, i int, f reflect.StructField) *shape {
	s := &shape{name: name, field: i, typ: f.Type, unit: f.Tag.Get("unit"), apply: f.Tag.Get("apply")}
	if enum := f.Tag.Get("enum"); enum != "" {
		s.enum = strings.Split(enum, ",")
	}
	inList := f.Type.Kind() == reflect.Slice
	if inList {
		s.kind, s.typ = scalarList, f.Type.Elem()
	}
	if s.typ.Kind() == reflect.Struct && !isText(s.typ) {
		s.kind, s.fields = section, shapesOf(s.typ)
		if inList {
			s.kind = entryList
		}
	}
	def, found := f.Tag.Lookup("default")
	s.def, s.required = def, !found && s.kind != section
	s.min, s.max = bound(s.typ, f.Tag.Get("min"), -1<<63), bound(s.typ, f.Tag.Get("max"), 1<<63-1)
	return s
}

// isText reports whether values of a type are read from text by the type itself.
func isText(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

func (s *shape) isSecret() bool { return s.typ == reflect.TypeFor[Secret]() }

func isDuration(t reflect.Type) bool { return t == reflect.TypeFor[time.Duration]() }

func isInteger(t reflect.Type) bool {
	return !isDuration(t) && (t.Kind() == reflect.Int || t.Kind() == reflect.Int64 || t.Kind() == reflect.Uint16)
}

// bound reads a bound of numbers or durations. A tag that is neither is found
// by the first test that loads anything.
func bound(t reflect.Type, tag string, none int64) int64 {
	if tag == "" {
		return none
	}
	if isDuration(t) {
		d, err := time.ParseDuration(tag)
		if err != nil {
			panic(err)
		}
		return int64(d)
	}
	n, err := strconv.ParseInt(tag, 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

// under is the path of a key in the section at path.
func under(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// entry is the path of an entry of the list at path.
func entry(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// above is the path of the section or list that a path stands in.
func above(path string) string { return path[:max(strings.LastIndexAny(path, ".["), 0)] }
