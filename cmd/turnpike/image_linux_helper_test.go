//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// instruction is one of a Dockerfile, its lines joined.
type instruction struct {
	line       int
	name, args string
}

func (in instruction) faultf(format string, args ...any) error {
	return fmt.Errorf("Dockerfile:%d: %s: %w", in.line, in.name, fmt.Errorf(format, args...))
}

// readDockerfile is the part of the format that ours uses.
func readDockerfile(t *testing.T) (all []instruction) {
	t.Helper()
	text, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	var joined string
	for i, line := range strings.Split(string(text), "\n") {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		line, more := strings.CutSuffix(line, `\`)
		if joined += line; more {
			continue
		}
		name, args, _ := strings.Cut(joined, " ")
		all, joined = append(all, instruction{i + 1, name, strings.TrimSpace(args)}), ""
	}
	return all
}

// builder carries out a Dockerfile without a registry. The host stands in for
// the base image: each stage but scratch begins as the host's own root with
// whatever is written going to memory. Only Go's caches are shared with it.
type builder struct {
	context string            // the directory that COPY copies from
	scratch string            // becomes the root of the last stage
	given   map[string]string // docker build --build-arg, and the platform
	environ []string          // of RUN, what the base image and the host's caches say

	roots   map[string]string // of stages, by name
	root    string            // of the current one
	workdir string
	vars    map[string]string // its ARGs
}

// step carries out an instruction. What only describes the image is left to
// imageConfig.
func (b *builder) step(in instruction) error {
	words := strings.Fields(os.Expand(in.args, func(name string) string { return b.vars[name] }))
	switch in.name {
	case "FROM":
		return b.from(in)
	case "ARG":
		name, value, _ := strings.Cut(in.args, "=")
		if given, ok := b.given[name]; ok {
			value = given
		}
		b.vars[name] = value
		return nil
	case "WORKDIR":
		b.workdir = words[0]
		return os.MkdirAll(filepath.Join(b.root, b.workdir), 0o755)
	case "COPY":
		return b.copyIn(in, words)
	case "RUN":
		return b.run(in)
	case "LABEL", "USER", "EXPOSE", "HEALTHCHECK", "STOPSIGNAL", "ENTRYPOINT", "CMD":
		return nil
	}
	return in.faultf("the test can't carry this out; teach it")
}

func (b *builder) from(in instruction) (err error) {
	words := strings.Fields(os.Expand(in.args, func(name string) string { return b.given[name] }))
	if strings.HasPrefix(words[0], "--platform=") {
		words = words[1:]
	}
	b.workdir, b.vars = "/", map[string]string{}
	if words[0] == "scratch" {
		b.root = b.scratch
		return nil
	}
	if b.root, err = hostRoot(); err != nil {
		return in.faultf("%w", err)
	}
	if len(words) == 3 {
		b.roots[words[2]] = b.root
	}
	return nil
}

// copyIn copies as COPY does: a directory's content, not the directory; files
// become root's; extended attributes, capabilities among them, are kept.
func (b *builder) copyIn(in instruction, words []string) error {
	from := b.context
	if stage, ok := strings.CutPrefix(words[0], "--from="); ok {
		if from = b.roots[stage]; from == "" {
			return in.faultf("no stage %q", stage)
		}
		words = words[1:]
	}
	last := len(words) - 1
	to := words[last]
	if !filepath.IsAbs(to) {
		to = filepath.Join(b.workdir, to)
	}
	for _, source := range words[:last] {
		source = filepath.Join(from, source)
		if info, err := os.Stat(source); err != nil {
			return in.faultf("%w", err)
		} else if info.IsDir() {
			source += "/."
		}
		out, err := exec.Command("cp", "-a", "--no-preserve=ownership", source, filepath.Join(b.root, to)).CombinedOutput()
		if err != nil {
			return in.faultf("%w: %s", err, out)
		}
	}
	return nil
}

func (b *builder) run(in instruction) error {
	cmd := exec.Command("/bin/sh", "-c", in.args)
	cmd.Dir = b.workdir
	cmd.Env = b.environ
	for name, value := range b.vars {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: b.root, Pdeathsig: syscall.SIGKILL}
	if out, err := cmd.CombinedOutput(); err != nil {
		return in.faultf("%s: %w\n%s", in.args, err, out)
	}
	return nil
}

// hostRoot mounts this host's root with changes kept in memory.
func hostRoot() (string, error) {
	base, err := os.MkdirTemp("", "turnpike-stage-")
	if err != nil {
		return "", err
	}
	upper, work, root := base+"/upper", base+"/work", base+"/root"
	err = unix.Mount("tmpfs", base, "tmpfs", 0, "mode=0755")
	for _, dir := range []string{upper, work, root} {
		err = errors.Join(err, os.Mkdir(dir, 0o755))
	}
	if err == nil {
		err = unix.Mount("overlay", root, "overlay", 0, "lowerdir=/,upperdir="+upper+",workdir="+work)
	}
	if err != nil {
		return "", fmt.Errorf("a root for the build: %w (needs overlayfs, and in docker --privileged)", err)
	}
	for _, path := range []string{"/proc", "/dev", "/etc/resolv.conf", "/etc/hosts", goEnv("GOCACHE"), goEnv("GOMODCACHE")} {
		if err := bind(path, filepath.Join(root, path)); err != nil {
			return "", fmt.Errorf("a root for the build: %s: %w", path, err)
		}
	}
	return root, nil
}

// bind makes a file or directory appear at another place, which it makes too.
func bind(path, at string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case info.IsDir():
		err = os.MkdirAll(at, 0o755)
	}
	if err != nil {
		return err
	}
	return unix.Mount(path, at, "", unix.MS_BIND|unix.MS_REC, "")
}

func goEnv(name string) string {
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// unmoored runs do on a thread of its own with mounts of its own. They end with
// it, and processes that do starts inherit them.
func unmoored(do func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with this goroutine
		err := unix.Unshare(unix.CLONE_NEWNS)
		if err == nil {
			err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
		}
		if err != nil {
			done <- fmt.Errorf("mounts of one's own: %w (needs root; in docker --privileged)", err)
			return
		}
		done <- do()
	}()
	return <-done
}

// buildContext copies what .dockerignore lets through.
func buildContext(t *testing.T, to string) {
	t.Helper()
	ignored := readIgnore(t)
	source := os.DirFS("../..")
	err := fs.WalkDir(source, ".", func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path == ".git" && e.IsDir(): // in a worktree it is a file, and SkipDir would skip its folder
			return fs.SkipDir // as ignored as anything, and large
		case e.IsDir() || ignored(path):
			return nil
		}
		data, err := fs.ReadFile(source, path)
		if err != nil {
			return err
		}
		at := filepath.Join(to, path)
		return errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.WriteFile(at, data, 0o644))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// readIgnore gives the rule of .dockerignore: the last line that names a path,
// or a directory above it, decides.
func readIgnore(t *testing.T) (ignored func(path string) bool) {
	t.Helper()
	text, err := os.ReadFile("../../.dockerignore")
	if err != nil {
		t.Fatal(err)
	}
	type rule struct {
		match *regexp.Regexp
		keep  bool
	}
	var rules []rule
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		pattern, keep := strings.CutPrefix(line, "!")
		pattern = strings.NewReplacer(`\*\*/`, `(.*/)?`, `\*`, `[^/]*`).Replace(regexp.QuoteMeta(pattern))
		rules = append(rules, rule{regexp.MustCompile("^" + pattern + "(/.*)?$"), keep})
	}
	return func(path string) (no bool) {
		for _, r := range rules {
			if r.match.MatchString(path) {
				no = !r.keep
			}
		}
		return no
	}
}

// container is the image and what an operator mounts into it.
type container struct {
	ctx                      context.Context // ends what a failed test leaves running
	root, etc                string
	entrypoint, cmd, healthy []string
	stop                     syscall.Signal
	uid, gid                 uint32
}

func newContainer(t *testing.T, root string, steps []instruction) *container {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	t.Cleanup(cancel)
	c := &container{ctx: ctx, root: root, etc: t.TempDir()}
	for _, in := range steps {
		switch in.name {
		case "ENTRYPOINT":
			c.entrypoint = execForm(t, in)
		case "CMD":
			c.cmd = execForm(t, in)
		case "HEALTHCHECK":
			c.healthy = execForm(t, in)
		case "STOPSIGNAL":
			c.stop = unix.SignalNum(in.args)
		case "USER":
			if _, err := fmt.Sscanf(in.args, "%d:%d", &c.uid, &c.gid); err != nil {
				t.Fatal(in.faultf("%w", err))
			}
		}
	}
	c.configure(t)
	return c
}

// execForm is the list of words; without a shell there is no other form.
func execForm(t *testing.T, in instruction) (words []string) {
	t.Helper()
	if err := json.Unmarshal([]byte(in.args[max(0, strings.Index(in.args, "[")):]), &words); err != nil {
		t.Fatal(in.faultf("not a list of words: %w", err))
	}
	return words
}

// imageCaps is --cap-drop ALL --cap-add NET_BIND_SERVICE.
var imageCaps = []uintptr{unix.CAP_NET_BIND_SERVICE}

// do runs check where processes of the image can be started: on a thread with
// the container's mounts, which can gain no capability but caps.
func (c *container) do(t *testing.T, caps []uintptr, check func(*container) error) {
	t.Helper()
	err := unmoored(func() error {
		if err := c.mount(); err != nil {
			return fmt.Errorf("mounting the image: %w", err)
		}
		for n := uintptr(0); n <= unix.CAP_LAST_CAP; n++ {
			if slices.Contains(caps, n) {
				continue
			}
			if err := unix.Prctl(unix.PR_CAPBSET_DROP, n, 0, 0, 0); err != nil && !errors.Is(err, unix.EINVAL) {
				return fmt.Errorf("dropping capability %d: %w", n, err)
			}
		}
		return check(c)
	})
	if err != nil {
		t.Error(err)
	}
}

// mount is --read-only, -v /etc/turnpike:/etc/turnpike:ro and --tmpfs
// /run/turnpike. A runtime mounts /proc, /dev and more; none of it is needed.
func (c *container) mount() error {
	const readOnly = unix.MS_BIND | unix.MS_REMOUNT | unix.MS_RDONLY
	etc, run := filepath.Join(c.root, "etc/turnpike"), filepath.Join(c.root, "run/turnpike")
	options := fmt.Sprintf("uid=%d,gid=%d,mode=0750", c.uid, c.gid)
	for _, step := range []func() error{
		func() error { return os.MkdirAll(run, 0o755) },
		func() error { return bind(c.root, c.root) },
		func() error { return bind(c.etc, etc) },
		func() error { return unix.Mount("", etc, "", readOnly, "") },
		func() error {
			return unix.Mount("tmpfs", run, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, options)
		},
		func() error { return unix.Mount("", c.root, "", readOnly, "") },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(c.root, "written"), nil, 0o644); !errors.Is(err, unix.EROFS) {
		return fmt.Errorf("the root can be written to: %v", err)
	}
	return nil
}

// command is a process of the image, as its user.
func (c *container) command(parts ...[]string) *exec.Cmd {
	words := slices.Concat(parts...)
	cmd := exec.CommandContext(c.ctx, words[0], words[1:]...)
	cmd.Dir, cmd.Env = "/", []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Chroot: c.root, Pdeathsig: syscall.SIGKILL,
		Credential: &syscall.Credential{Uid: c.uid, Gid: c.gid},
	}
	return cmd
}
