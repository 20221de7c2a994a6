package config

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// watchEvery is how often the files are looked at by themselves: a network's
	// file system, and a single file that is mounted, give no notice.
	watchEvery = 500 * time.Millisecond
	// watchQuiet is how long nothing may change before it is read: an editor
	// truncates, writes and renames.
	watchQuiet = 150 * time.Millisecond
	// readEvery is how often the content is read though nothing looks changed.
	readEvery = 30 * time.Second
)

// Watch calls changed each time that the main file, the policy files or the files
// of secrets have another content and have been quiet for a moment, until ctx
// ends. It compares with what o.InForce was read from, else with what is there
// now. Certificates are not watched: two files make one, and package certs waits
// for both.
//
// It is never viper's watcher, which ends the process where there is no inotify.
func Watch(ctx context.Context, o Options, changed func()) {
	w := newWatch(o)
	notices, err := fsnotify.NewWatcher()
	if err != nil { // the files are looked at all the same
		w.run(ctx, nil, nil, func() {}, changed)
		return
	}
	defer notices.Close()
	w.run(ctx, notices.Events, notices.Errors, func() { w.follow(notices) }, changed)
}

// watch is what was last seen of the files.
type watch struct {
	options   Options
	directory string   // of the policy files
	secrets   []string // files that the main file names
	seen      []sight
	sum       sum // of their content
}

// sight is what the system says of a file.
type sight struct {
	path string
	info fs.FileInfo // nil if it can't be had
}

// same reports whether the file has most likely not changed.
func (a sight) same(b sight) bool {
	if a.path != b.path || a.info == nil || b.info == nil {
		return a.path == b.path && a.info == nil && b.info == nil
	}
	return a.info.Size() == b.info.Size() && a.info.ModTime().Equal(b.info.ModTime()) && os.SameFile(a.info, b.info)
}

func newWatch(o Options) *watch {
	w := &watch{options: o}
	w.find()
	w.seen = w.look()
	if o.InForce != nil {
		w.sum = o.InForce.sum
	} else {
		w.sum = w.read()
	}
	return w
}

// run looks at the files when there is notice and every now and then. follow is
// called before each look.
func (w *watch) run(ctx context.Context, notices <-chan fsnotify.Event, lost <-chan error, follow, changed func()) {
	every, quiet := time.NewTicker(watchEvery), time.NewTimer(watchQuiet) // the first reading is of what has changed since
	defer every.Stop()
	defer quiet.Stop()
	read := time.Now()
	for {
		follow()
		if seen := w.look(); !slices.EqualFunc(seen, w.seen, sight.same) {
			w.seen = seen
			quiet.Reset(watchQuiet)
		}
		select {
		case <-ctx.Done():
			return
		case <-notices:
		case <-lost:
		case now := <-every.C:
			if now.Sub(read) >= readEvery {
				quiet.Reset(watchQuiet)
			}
		case <-quiet.C:
			if !slices.EqualFunc(w.look(), w.seen, sight.same) {
				continue
			}
			read = time.Now()
			w.find()
			if sum := w.read(); sum != w.sum {
				w.sum = sum
				changed()
			}
		}
	}
}

// follow asks for notice of the folders. One that was put in the place of
// another is asked for anew.
func (w *watch) follow(notices *fsnotify.Watcher) {
	dirs := []string{filepath.Dir(w.options.Path), w.directory}
	for _, file := range w.secrets {
		dirs = append(dirs, filepath.Dir(file))
	}
	for _, dir := range dirs {
		_ = notices.Add(dir) // one that is missing now comes to be in one that is not, or is found by looking
	}
}

// find takes over which folder has the policy files, and which files have the
// secrets. While the main file can't be read they are those they were.
func (w *watch) find() {
	l := newLoader(w.options)
	data := l.readConfig()
	if data == nil {
		return
	}
	c := l.merge(data)
	if c == nil || l.isBad("policy.directory") {
		return
	}
	w.directory = l.inFolder(c.Policy.Directory)
	l.complete(c)
	w.secrets = nil
	for _, n := range l.named {
		w.secrets = append(w.secrets, n.file)
	}
}

// look is what the system says of the files.
func (w *watch) look() (seen []sight) {
	for _, path := range append(w.files(), w.secrets...) {
		info, err := os.Stat(path)
		if err != nil {
			info = nil
		}
		seen = append(seen, sight{path, info})
	}
	return seen
}

// read is the sum of what is in the files, as Load makes it. One that can't be
// read counts as its error.
func (w *watch) read() (s sum) {
	for i, path := range w.files() {
		name, most := filepath.Base(path), int64(maxPolicyBytes)
		if i == 0 {
			name, most = "", maxConfigBytes
		}
		data, _, err := readRegular(path, most)
		if err != nil {
			data = []byte(err.Error())
		}
		s.add(name, data)
	}
	for _, path := range w.secrets {
		data, _, _ := readRegular(path, maxSecretBytes) // none, if it can't be read
		s.add(path, data)
	}
	return s
}

// files are the main file and the policy files.
func (w *watch) files() []string {
	all := []string{w.options.Path}
	entries, _ := os.ReadDir(w.directory) // none, if it can't be read
	for _, e := range entries {
		if isPolicyName(e.Name()) {
			all = append(all, filepath.Join(w.directory, e.Name()))
		}
	}
	return all
}
