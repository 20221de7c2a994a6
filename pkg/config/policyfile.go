package config

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
)

const (
	maxPolicyBytes    = 32 << 20 // of one file: more than 100,000 lines in the long form
	maxPolicyAllBytes = 64 << 20
	maxFileFaults     = 100 // told of one policy file
	defaultDirectory  = "policy.d"
)

// policyTop is the shape of a policy file.
var policyTop = &shape{kind: section, typ: reflect.TypeFor[PolicyFile](), fields: shapesOf(reflect.TypeFor[PolicyFile]())}

// placeVariables says of the lines that a variable gave where they come from.
func (l *loader) placeVariables(p *Policy) {
	for _, k := range kinds {
		for _, key := range listKeys {
			lines := k.in(p).named(key)
			if v := l.places[under(k.main, key)].variable; v != "" {
				for i := range lines {
					lines[i].Place, lines[i].Path = Place{File: v}, entry(under(k.main, key), i)
				}
			}
		}
	}
}

// completePolicy settles the lines of the main file and reads the policy files.
func (l *loader) completePolicy(p *Policy) {
	l.placeVariables(p)
	const path = "policy.directory"
	if l.isBad(path) {
		return
	}
	if l.inFolder(p.Directory) == l.dir {
		l.fault(path, "is the folder of the configuration itself", "make a folder for the policy files alone, such as "+defaultDirectory)
		return
	}
	shown, names, err := l.policyNames(p.Directory)
	p.Directory = l.inFolder(p.Directory)
	switch {
	case errors.Is(err, fs.ErrNotExist) && p.Directory == l.inFolder(defaultDirectory):
		return
	case err != nil:
		l.fault(path, fmt.Sprintf("%s can't be read: %v", plain(shown), reasonOf(err)), "give a folder that this user may read, or take the key away")
		return
	}
	room := int64(maxPolicyAllBytes)
	for _, name := range names {
		p.Files = append(p.Files, l.readPolicyFile(filepath.Join(shown, name), &room))
	}
}

// inFolder is a path that starts at the folder of the configuration.
func (l *loader) inFolder(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(l.dir, path)
}

// policyNames are the names of the policy files in their order, and the folder
// as faults name it: as the configuration itself is named.
func (l *loader) policyNames(directory string) (shown string, names []string, err error) {
	if shown = directory; !filepath.IsAbs(shown) {
		shown = filepath.Join(filepath.Dir(l.file), directory)
	}
	entries, err := os.ReadDir(l.inFolder(directory))
	for _, e := range entries {
		if isPolicyName(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return shown, names, err
}

// isPolicyName leaves out what is hidden, such as the ..data of a ConfigMap and
// the locks of editors, and what has another ending, such as their backups.
func isPolicyName(name string) bool {
	ext := filepath.Ext(name)
	return !strings.HasPrefix(name, ".") && (ext == ".yaml" || ext == ".yml")
}

// readPolicyFile reads one of them. Its faults are the loader's.
func (l *loader) readPolicyFile(path string, room *int64) PolicyFile {
	f := &loader{origin: origin{file: path, places: map[string]place{}}, top: policyTop, bad: map[string]bool{}}
	defer func() { l.addFileFaults(path, f.faults) }()
	data, _, err := readRegular(path, min(*room, maxPolicyBytes))
	if err != nil {
		f.faults = Faults{{File: path, Reason: "can't be read: " + err.Error(), Cure: "give a file that this user may read, split a large one, or take it away"}}
		return PolicyFile{}
	}
	*room -= int64(len(data))
	l.sum.add(filepath.Base(path), data)
	content := sha256.Sum256(data)
	if l.inForce != nil { // long lists take long to read, and few files change at a time
		if same := l.inForce.Policy.file(path); same != nil && same.content == content {
			return *same
		}
	}
	p := f.parsePolicy(data)
	p.content = content
	return p
}

// parsePolicy reads the text of a policy file.
func (l *loader) parsePolicy(data []byte) (p PolicyFile) {
	root := l.parse(data)
	if root == nil {
		return p
	}
	if !bytes.HasSuffix(data, []byte("\n")) {
		l.faultAt(1+bytes.Count(data, []byte("\n")), 1, "has no line end at its end, like a file that was cut short", "write the whole file, its last line with a line end")
	}
	values := l.readSection(root, policyTop, "")
	p.AllowEmpty, _ = values["allow_empty"].(bool)
	lines := 0
	for _, k := range kinds {
		lists, _ := values[k.file].(map[string]any)
		*k.of(&p) = Lists{Deny: linesOf(lists["deny"]), Allow: linesOf(lists["allow"])}
		lines += k.of(&p).size()
		if k.file != "peers" {
			l.checkClientLines(k.file, *k.of(&p))
		}
	}
	if lines == 0 && !p.AllowEmpty && len(l.faults) == 0 {
		l.fault("", "has no line in any list", "write one, say allow_empty: true in it, or take the file away")
	}
	p.origin = l.origin
	return p
}

func linesOf(value any) (lines []Line) {
	list, _ := value.([]any)
	for _, item := range list {
		lines = append(lines, item.(Line))
	}
	return lines
}

// addFileFaults keeps what can be read of the faults of a large file.
func (l *loader) addFileFaults(path string, faults Faults) {
	if more := len(faults) - maxFileFaults; more > 0 {
		faults.Sort()
		next := faults[maxFileFaults]
		faults = append(faults[:maxFileFaults:maxFileFaults], Fault{File: path, Line: next.Line, Column: next.Column,
			Reason: fmt.Sprintf("%d faults more from here on", more), Cure: "cure those before it first"})
	}
	l.faults = append(l.faults, faults...)
}

// checkClientLines refuses ports: a client's is whichever its system chose.
func (l *loader) checkClientLines(path string, lists Lists) {
	for _, key := range listKeys {
		for i, line := range lists.named(key) {
			if len(line.Ports) > 0 {
				l.fault(under(entry(under(path, key), i), "ports"), "chooses clients by port, and they come from any", "take the ports away")
			}
		}
	}
}
