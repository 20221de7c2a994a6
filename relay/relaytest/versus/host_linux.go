package main

import (
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// about is what the results depend on beside the servers themselves.
type about struct {
	Date     string            `json:"date"`
	Kernel   string            `json:"kernel"`
	CPU      string            `json:"cpu"`
	Pinned   pinned            `json:"pinned"`
	Versions map[string]string `json:"versions"`
	Command  string            `json:"command"`
	Sysctls  map[string]string `json:"sysctls"`
	Raised   string            `json:"raised_limits"`
}

type pinned struct {
	Server int `json:"server"`
	Load   int `json:"load"`
}

// sysctls are those that the results depend on. The first two are the whole
// machine's, whatever the namespace.
var sysctls = []string{rmemDefault, "net.core.rmem_max", "net.core.wmem_default", "net.core.wmem_max", "net.ipv4.ip_local_port_range"}

func describe(t *tools, command []string, p pinned) about {
	a := about{
		Date: time.Now().UTC().Format(time.RFC3339), Kernel: kernel(), CPU: processor(), Pinned: p,
		Command: quote(command[1:]),
		Versions: map[string]string{
			"Go": runtime.Version(), coturn: coturnVersion(t.turnserver),
			turnpike: revision(t.root), pion: stockVersion(t.stockPion()),
		},
		Sysctls: map[string]string{}, Raised: raised,
	}
	for _, name := range sysctls {
		a.Sysctls[name] = readSysctl(name)
	}
	return a
}

func (a about) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# turnpike, coturn and stock pion side by side\n\n- %s, Linux %s, %s\n", a.Date, a.Kernel, a.CPU)
	fmt.Fprintf(&b, "- server on processor %d, load source on %d\n", a.Pinned.Server, a.Pinned.Load)
	for _, name := range []string{turnpike, coturn, pion, "Go"} {
		fmt.Fprintf(&b, "- %s %s\n", name, a.Versions[name])
	}
	for _, name := range sysctls {
		fmt.Fprintf(&b, "- %s = %s\n", name, a.Sysctls[name])
	}
	fmt.Fprintf(&b, "- raised limits: %s\n- `%s`\n\nMedian [lowest-highest] of the rounds; \"/ coturn\" is the ratio within the same round, less is better.\n", a.Raised, a.Command)
	return b.String()
}

// quote writes the command so that a shell takes it.
func quote(args []string) string {
	text := "versus"
	for _, arg := range args {
		if strings.ContainsAny(arg, " ()|*?$^[]\\") {
			arg = "'" + arg + "'"
		}
		text += " " + arg
	}
	return text
}

func kernel() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return err.Error()
	}
	return unix.ByteSliceToString(u.Release[:])
}

var modelName = regexp.MustCompile(`(?m)^model name\s*: (.*)$`)

func processor() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	name := runtime.GOARCH
	if m := modelName.FindSubmatch(text); m != nil {
		name = string(m[1])
	}
	return fmt.Sprintf("%d x %s", strings.Count(string(text), "processor\t:"), name)
}

func coturnVersion(program string) string {
	out, _ := exec.Command(program, "--version").Output()
	f := strings.Fields(string(out))
	if len(f) == 0 {
		return "unknown"
	}
	return f[len(f)-1]
}

// revision is the commit that the program was built of.
func revision(root string) string {
	out, err := exec.Command("git", "-C", root, "describe", "--always", "--dirty=, with changes", "--abbrev=12").Output()
	if err != nil {
		return "of unknown revision"
	}
	return strings.TrimSpace(string(out))
}

func stockVersion(program string) string {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return err.Error()
	}
	for _, m := range info.Deps {
		if m.Path == "github.com/pion/turn/v4" {
			return m.Version
		}
	}
	return "unknown"
}

const (
	rmemDefault = "net.core.rmem_default"
	rmemWanted  = "4194304"
)

func sysctlPath(name string) string { return "/proc/sys/" + strings.ReplaceAll(name, ".", "/") }

func readSysctl(name string) string {
	text, err := os.ReadFile(sysctlPath(name))
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(text)), " ")
}

// raiseBuffers gives every socket room for what a closed loop has in flight,
// whichever way a server asks for it or does not. A new namespace has no
// setting of its own. restore never fails to be called, nor says if it fails.
func raiseBuffers() (restore func(), err error) {
	was := readSysctl(rmemDefault)
	if was == rmemWanted {
		return func() {}, nil
	}
	if err := os.WriteFile(sysctlPath(rmemDefault), []byte(rmemWanted), 0); err != nil {
		return func() {}, fmt.Errorf("%s stays at %s, so that packets may be lost: %w", rmemDefault, was, err)
	}
	return func() { _ = os.WriteFile(sysctlPath(rmemDefault), []byte(was), 0) }, nil
}
