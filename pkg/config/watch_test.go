package config

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
)

// watched is a watch in a bubble whose calls are counted.
type watched struct {
	*bed
	options Options
	notices chan fsnotify.Event // nil: the files are only looked at
	calls   atomic.Int32
}

// watch runs a test with a watch of t.yaml, which stands still at first.
func (b *bed) watch(t *testing.T, notices bool, test func(w *watched)) {
	synctest.Test(t, func(t *testing.T) {
		outer := b.t
		b.t = t
		defer func() { b.t = outer }()
		w := &watched{bed: b, options: Options{Path: filepath.Join(b.dir, "t.yaml")}}
		if notices {
			w.notices = make(chan fsnotify.Event)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		begun := newWatch(w.options)
		go func() {
			defer close(done)
			begun.run(ctx, w.notices, nil, func() {}, func() { w.calls.Add(1) })
		}()
		defer func() { cancel(); <-done }()
		w.expect(t, 0)
		test(w)
	})
}

// expect waits until the watch has had the time to call, and checks how often it
// has in all.
func (w *watched) expect(t *testing.T, calls int) {
	t.Helper()
	time.Sleep(watchEvery + 2*watchQuiet) // of the bubble
	synctest.Wait()
	if got := w.calls.Load(); got != int32(calls) {
		t.Errorf("%d calls, want %d", got, calls)
	}
}

// rename puts a file in the place of another, as editors do.
func (b *bed) rename(from, to string) {
	b.t.Helper()
	if err := os.Rename(filepath.Join(b.dir, from), filepath.Join(b.dir, to)); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) symlink(to, at string) {
	b.t.Helper()
	if err := os.Symlink(to, filepath.Join(b.dir, at)); err != nil {
		b.t.Fatal(err)
	}
}

const policyText = "version: 1\npeers: {deny: [192.0.2.1]}\n"

// TestWatchSees what changes, once each, without notice too.
func TestWatchSees(t *testing.T) {
	for _, notices := range []bool{false, true} {
		b := newBed(t)
		b.put("t.yaml", least, 0o600)
		b.watch(t, notices, func(w *watched) {
			for i, step := range []struct {
				name string
				do   func()
				more int
			}{
				{"nothing", func() {}, 0},
				{"the main file", func() { b.put("t.yaml", least+"realm: x\n", 0o600) }, 1},
				{"a file put over it", func() { b.put("new", least+"realm: longer\n", 0o600); b.rename("new", "t.yaml") }, 1},
				{"the same content in another file", func() { b.put("new", least+"realm: longer\n", 0o600); b.rename("new", "t.yaml") }, 0},
				{"other files", func() { b.put("other.yaml", "x", 0o600); b.put("t.yaml~", "x", 0o600) }, 0},
				{"a folder that appears", func() { b.putPolicy("a.yaml", policyText) }, 1},
				{"a policy file more", func() { b.putPolicy("b.yml", policyText) }, 1},
				{"what is no policy file", func() { b.putPolicy(".c.yaml", "x"); b.putPolicy("c.yaml~", "x"); b.putPolicy(".c.yaml.swp", "x") }, 0},
				{"a file with another name", func() { b.rename("policy.d/b.yml", "policy.d/c.yml") }, 1},
				{"a file that is gone", func() { b.remove("policy.d/c.yml") }, 1},
				{"the main file gone", func() { b.remove("t.yaml") }, 1},
				{"and back", func() { b.put("t.yaml", least, 0o600) }, 1},
				{"the folder gone", func() { b.remove("policy.d") }, 1},
			} {
				before := int(w.calls.Load())
				step.do()
				if notices {
					w.notices <- fsnotify.Event{}
				}
				w.expect(t, before+step.more)
				if t.Failed() {
					t.Fatalf("notices %v, step %d: %s", notices, i, step.name)
				}
			}
		})
	}
}

// TestWatchIsQuick where there is notice: the content has to stand still, and
// nothing else is waited for.
func TestWatchIsQuick(t *testing.T) {
	b := newBed(t)
	b.put("t.yaml", least, 0o600)
	b.watch(t, true, func(w *watched) {
		b.put("t.yaml", least+"realm: x\n", 0o600)
		w.notices <- fsnotify.Event{}
		time.Sleep(watchQuiet)
		synctest.Wait()
		if got := w.calls.Load(); got != 1 {
			t.Errorf("%d calls after %v", got, watchQuiet)
		}
	})
}

// TestWatchWaitsForQuiet: a burst of writes, of which each leaves half a file, is
// one change.
func TestWatchWaitsForQuiet(t *testing.T) {
	b := newBed(t)
	b.put("t.yaml", least, 0o600)
	b.watch(t, true, func(w *watched) {
		for n := range len(least) {
			b.put("t.yaml", (least + "realm: other\n")[:n], 0o600)
			w.notices <- fsnotify.Event{}
			time.Sleep(watchQuiet - time.Millisecond)
			if synctest.Wait(); w.calls.Load() != 0 {
				t.Fatalf("called in the middle, after %d bytes", n)
			}
		}
		b.put("t.yaml", least+"realm: other\n", 0o600)
		w.notices <- fsnotify.Event{}
		w.expect(t, 1)
	})
}

// TestWatchConfigMap: the kubelet puts another folder behind the link ..data, to
// whose files the names are links.
func TestWatchConfigMap(t *testing.T) {
	b := newBed(t)
	for _, dir := range []string{"..1", "..2", "policy.d", "policy.d/..1", "policy.d/..2"} {
		if err := os.Mkdir(filepath.Join(b.dir, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	b.put("..1/t.yaml", least, 0o600)
	b.put("..2/t.yaml", least+"realm: x\n", 0o600)
	b.put("policy.d/..1/a.yaml", policyText, 0o600)
	b.put("policy.d/..2/a.yaml", strings.Replace(policyText, "2.1", "2.2", 1), 0o600)
	for _, dir := range []string{"", "policy.d"} {
		b.symlink("..1", filepath.Join(dir, "..data"))
	}
	b.symlink("..data/t.yaml", "t.yaml")
	b.symlink("..data/a.yaml", "policy.d/a.yaml")
	b.watch(t, false, func(w *watched) {
		b.symlink("..2", "..tmp")
		b.rename("..tmp", "..data")
		w.expect(t, 1)
		b.symlink("..2", "policy.d/..tmp")
		b.rename("policy.d/..tmp", "policy.d/..data")
		w.expect(t, 2)
		c, _, err := Load(w.options)
		if err != nil || c.Realm != "x" || c.Policy.PeerLines().Deny[0].Match.String() != "192.0.2.2" {
			t.Errorf("%v %v", c, err)
		}
	})
}

// TestWatchReads what the system shows no difference of: size and time are the
// same.
func TestWatchReads(t *testing.T) {
	b := newBed(t)
	path := b.put("t.yaml", least+"realm: x\n", 0o600)
	b.watch(t, true, func(w *watched) {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		b.put("t.yaml", least+"realm: y\n", 0o600)
		if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
			t.Fatal(err)
		}
		w.expect(t, 0)
		time.Sleep(readEvery)
		w.expect(t, 1)
		time.Sleep(3 * readEvery)
		w.expect(t, 1)
	})
}

// TestWatchFindsTheFolder that the main file names now.
func TestWatchFindsTheFolder(t *testing.T) {
	b := newBed(t)
	b.putPolicy("a.yaml", policyText)
	b.put("t.yaml", least, 0o600)
	if err := os.Mkdir(filepath.Join(b.dir, "lists"), 0o700); err != nil {
		t.Fatal(err)
	}
	b.watch(t, false, func(w *watched) {
		b.put("t.yaml", "version: 1\npolicy: {directory: lists}\n"+shared, 0o600)
		w.expect(t, 1)
		b.put("lists/b.yaml", policyText, 0o600)
		w.expect(t, 2)
		b.putPolicy("a.yaml", policyText+"clients: {deny: [192.0.2.1]}\n")
		w.expect(t, 2)
		b.put("t.yaml", "version: [", 0o600)
		w.expect(t, 3)
		b.remove("lists/b.yaml")
		w.expect(t, 4)
	})
}

// TestWatchComparesWithWhatIsInForce: what changed before the watch began counts.
func TestWatchComparesWithWhatIsInForce(t *testing.T) {
	b := newBed(t)
	b.putPolicy("a.yaml", policyText)
	c := b.mustLoad(least)
	for _, changes := range []int{0, 1} {
		if changes > 0 {
			b.putPolicy("a.yaml", strings.Replace(policyText, "2.1", "2.2", 1))
		}
		synctest.Test(t, func(t *testing.T) {
			calls := 0
			ctx, cancel := context.WithTimeout(t.Context(), 3*readEvery)
			defer cancel()
			newWatch(Options{Path: filepath.Join(b.dir, "t.yaml"), InForce: c}).run(ctx, nil, nil, func() {}, func() { calls++ })
			if calls != changes {
				t.Errorf("%d calls, want %d", calls, changes)
			}
		})
	}
}

// patience is for what comes from outside the process.
const patience = 20 * time.Second

// TestNotice: the system tells of everything that operators and Kubernetes do,
// in folders that are another one than at the start, too.
func TestNotice(t *testing.T) {
	b := newBed(t)
	b.put("t.yaml", least, 0o600)
	b.putPolicy("a.yaml", policyText)
	w := newWatch(Options{Path: filepath.Join(b.dir, "t.yaml")})
	notices, err := fsnotify.NewWatcher()
	if err != nil {
		t.Fatal(err)
	}
	defer notices.Close()
	for _, step := range []struct {
		name string
		do   func()
	}{
		{"write", func() { b.put("t.yaml", least+"realm: x\n", 0o600) }},
		{"write of a policy file", func() { b.putPolicy("a.yaml", policyText+"# x\n") }},
		{"rename over", func() { b.put("new", least, 0o600); b.rename("new", "t.yaml") }},
		{"link put over a link", func() { b.symlink("x", "..tmp"); b.rename("..tmp", "..data") }},
		{"file gone", func() { b.remove("policy.d/a.yaml") }},
		{"folder gone", func() { b.remove("policy.d") }},
		{"folder there", func() { b.putPolicy("b.yaml", policyText) }},
		{"write in the folder that is another", func() { b.putPolicy("b.yaml", policyText+"# y\n") }},
	} {
		w.follow(notices)
		step.do()
		b.put("marker", step.name, 0o600) // the system tells in order
		if n := untilMarker(t, notices); n == 0 {
			t.Errorf("%s: no notice", step.name)
		}
		b.remove("marker")
	}
}

// untilMarker counts the notices before the first of the marker. The ones after
// it are the marker's, too.
func untilMarker(t *testing.T, notices *fsnotify.Watcher) (n int) {
	late := time.After(patience)
	for {
		select {
		case e := <-notices.Events:
			switch {
			case filepath.Base(e.Name) != "marker":
				n++
			case e.Has(fsnotify.Create):
				return n
			}
		case err := <-notices.Errors:
			t.Fatal(err)
		case <-late:
			t.Fatal("no notice of the marker")
		}
	}
}

// TestWatch as it is used, with the system's clock and its notices.
func TestWatch(t *testing.T) {
	b := newBed(t)
	c := b.mustLoad(least)
	ctx, cancel := context.WithCancel(t.Context())
	changed, done := make(chan struct{}, 8), make(chan struct{})
	go func() {
		defer close(done)
		Watch(ctx, Options{Path: filepath.Join(b.dir, "t.yaml"), InForce: c}, func() { changed <- struct{}{} })
	}()
	defer func() { cancel(); <-done }()
	b.put("t.yaml", least+"realm: x\n", 0o600)
	select {
	case <-changed:
	case <-time.After(patience):
		t.Fatal("a change was not seen")
	}
}

// TestWatchSecrets: a secret in a file of its own is part of the configuration;
// one that is not named any more is not.
func TestWatchSecrets(t *testing.T) {
	const text = "version: 1\ncredentials: {nonce_key_file: nonce, shared_secrets: [{id: app, secret_file: app}]}\n"
	b := newBed(t)
	b.put("nonce", strings.Repeat("n", 32), 0o600)
	b.put("app", key, 0o600)
	b.mustLoad(text)
	b.watch(t, false, func(w *watched) {
		b.put("app", key+"2", 0o600)
		w.expect(t, 1)
		b.put("nonce", strings.Repeat("m", 32), 0o600)
		w.expect(t, 2)
		b.remove("app")
		w.expect(t, 3)
		b.put("app", key, 0o600)
		w.expect(t, 4)
		b.put("t.yaml", strings.Replace(text, "nonce_key_file: nonce, ", "", 1), 0o600)
		w.expect(t, 5)
		b.put("nonce", "x", 0o600)
		w.expect(t, 5)
		c := b.mustLoad(strings.Replace(text, "nonce_key_file: nonce, ", "", 1))
		if got := newWatch(Options{Path: w.options.Path, InForce: c}); got.read() != c.sum {
			t.Error("Load and Watch come to different sums")
		}
	})
}
