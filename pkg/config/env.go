package config

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/viper"
)

const (
	envPrefix  = "TURNPIKE_"
	fileSuffix = "__FILE" // the value is in the file that the variable names
)

// variable is what a variable of the environment sets.
type variable struct {
	shape  *shape
	path   string
	set    func(any)
	shared bool // by several entries
}

// readEnvironment lays the variables over the file, in viper's layer for what
// overrides it.
func (l *loader) readEnvironment(v *viper.Viper) {
	known := map[string]variable{}
	addVariables(known, v, top, strings.TrimSuffix(envPrefix, "_"), "", "")
	for _, name := range slices.Sorted(maps.Keys(l.env)) {
		if strings.HasPrefix(name, envPrefix) && !fromKubernetes.MatchString(name+"="+l.env[name]) {
			l.readVariable(name, known)
		}
	}
}

// fromKubernetes fits what a cluster puts into every container for a Service
// that is named turnpike or turnpike-something. A port of ours is a number.
var fromKubernetes = regexp.MustCompile(`^TURNPIKE(_[A-Z0-9]+)*_` +
	`(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9]+)*|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?|PORT=(tcp|udp|sctp)://.*)(=.*)?$`)

func (l *loader) readVariable(name string, known map[string]variable) {
	target, found := known[name]
	base, suffixed := strings.CutSuffix(name, fileSuffix)
	inFile := !found && suffixed
	if inFile {
		target, found = known[base]
	}
	switch {
	case !found:
		cure := "unset it, or set one that exists; an entry of a list has to stand in the file"
		if near := Nearest(base, slices.Sorted(maps.Keys(known))); near != "" {
			cure = "did you mean " + near + name[len(base):] + "?"
		}
		l.faults = append(l.faults, Fault{File: plain(name), Reason: "sets no key", Cure: cure})
		return
	case target.shared:
		l.faults = append(l.faults, Fault{File: plain(name), Reason: "means several entries", Cure: "use the number of the entry, from 0"})
		return
	}
	l.replace(target.path, name)
	text := l.env[name]
	if inFile {
		read := l.readOpen
		if target.shape.isSecret() {
			read = l.readSecret
		}
		data, ok := read(target.path, l.resolve(text))
		if !ok {
			return
		}
		text = oneLine(data)
	}
	value, p := target.shape.parseVariable(text)
	if p.reason != "" {
		l.fault(target.path, p.reason, p.cure)
		return
	}
	target.set(value)
}

// parseVariable reads a scalar, or a list with commas. A list is not emptied by
// a variable that is merely empty, as one that an outer configuration forgot.
func (s *shape) parseVariable(text string) (any, problem) {
	if s.kind == scalar {
		return s.parse(text)
	}
	switch text {
	case "":
		return nil, problem{"is empty", "unset it, or write [] for an empty list"}
	case "[]":
		return []any{}, problem{}
	}
	var list []any
	for item := range strings.SplitSeq(text, ",") {
		value, p := s.parse(strings.TrimSpace(item))
		if p.reason != "" {
			return nil, problem{"entry " + strconv.Itoa(len(list)) + " " + p.reason, p.cure}
		}
		list = append(list, value)
	}
	return list, problem{}
}

// addVariables names every value below a section that the environment may set.
// The version is what the file says of itself.
func addVariables(known map[string]variable, v *viper.Viper, s *shape, name, path, key string) {
	for _, f := range s.fields {
		name, path, key := name+"__"+strings.ToUpper(f.name), under(path, f.name), viperKey(key, f.name)
		if s == top {
			name = envPrefix + strings.ToUpper(f.name)
		}
		switch f.kind {
		case section:
			addVariables(known, v, f, name, path, key)
		case entryList:
			addEntryVariables(known, v, f, name, path, key)
		default:
			if path != "version" {
				known[name] = variable{shape: f, path: path, set: func(value any) { v.Set(key, value) }}
			}
		}
	}
}

// addEntryVariables names the values of a list's entries: by the id of the
// entry, in capitals and with _ for -, and by its number, which comes first.
func addEntryVariables(known map[string]variable, v *viper.Viper, s *shape, name, path, key string) {
	list, _ := v.Get(key).([]any)
	numbered := map[string]variable{}
	for i, item := range list {
		values := item.(map[string]any)
		for _, f := range s.fields {
			target := variable{shape: f, path: under(entry(path, i), f.name), set: func(value any) {
				values[f.name] = value
				v.Set(key, list)
			}}
			suffix := "__" + strings.ToUpper(f.name)
			numbered[name+"__"+strconv.Itoa(i)+suffix] = target
			if id, _ := values["id"].(string); id != "" {
				byID := name + "__" + strings.ReplaceAll(strings.ToUpper(id), "-", "_") + suffix
				target.shared = known[byID].shape != nil
				known[byID] = target
			}
		}
	}
	maps.Copy(known, numbered)
}
