package relaytest

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// cure is what to do where the kernel refuses to make a namespace.
const cure = `this test needs a network namespace of its own. Either
  - run it as root with CAP_SYS_ADMIN and CAP_NET_ADMIN (docker run --cap-add SYS_ADMIN --cap-add NET_ADMIN), or
  - allow user namespaces: sysctl user.max_user_namespaces and user.max_net_namespaces must not be 0, and on Ubuntu
    kernel.apparmor_restrict_unprivileged_userns=0; in docker also --security-opt seccomp=unconfined`

// verdictFD is the child's end of the pipe that carries its verdict: the first
// after stdin, stdout and stderr.
const verdictFD = 3

// reportVerdict tells the parent how the test ended. It runs after every other
// cleanup of the test, because it is registered first.
func reportVerdict(t *testing.T) {
	// Or a process that the test starts would hold the parent's pipe open.
	syscall.CloseOnExec(verdictFD)
	pipe := os.NewFile(verdictFD, "verdict")
	t.Cleanup(func() {
		v := passed
		switch {
		case t.Failed():
			v = failed
		case t.Skipped():
			v = skipped
		}
		if _, err := io.WriteString(pipe, string(v)); err != nil {
			t.Errorf("relaytest: telling the parent: %v", err)
		}
		_ = pipe.Close()
	})
}

// setUp makes the namespace that the process was started in usable.
func (ns Namespace) setUp(t *testing.T) {
	t.Helper()
	ip(t, "link", "set", "lo", "up")
	if ns.SmallMTU > 0 {
		ip(t, "link", "set", "lo", "mtu", strconv.Itoa(ns.SmallMTU))
	}
	for _, p := range ns.Own {
		ip(t, "route", "add", "local", p.Masked().String(), "dev", "lo")
		if p.Addr().Is6() {
			allowBind6(t)
		}
	}
}

func ip(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.Command("ip", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("relaytest: ip %s: %v: %s(the command comes with iproute2)", strings.Join(args, " "), err, out)
	}
}

// allowBind6 lets sockets bind to addresses that are local by route only. IPv4
// does so anyway; IPv6 looks at the interfaces' own addresses
// (net/ipv6/af_inet6.c, __inet6_bind) unless this is set. The setting is the
// namespace's own.
func allowBind6(t *testing.T) {
	t.Helper()
	const sysctl = "/proc/sys/net/ipv6/ip_nonlocal_bind"
	if err := os.WriteFile(sysctl, []byte("1"), 0); err != nil {
		t.Fatalf("relaytest: IPv6 addresses by route need %s: %v (in docker: --privileged, or mount /proc/sys writable)", sysctl, err)
	}
}

// runChild runs the test again inside a new namespace and judges it.
func (ns Namespace) runChild(t *testing.T) {
	t.Helper()
	readEnd, writeEnd, err := os.Pipe()
	if err != nil {
		t.Fatalf("relaytest: %v", err)
	}
	defer func() { _ = readEnd.Close() }()

	deadline, ok := t.Deadline()
	cmd := exec.Command(os.Args[0], childArgs(t.Name(), deadline, ok, time.Now())...)
	cmd.Env = append(os.Environ(), insideEnv+"="+t.Name())
	if ns.StockPion {
		cmd.Env = append(cmd.Env, stockPionEnv+"="+stockPionBinary(t))
	}
	cmd.ExtraFiles = []*os.File{writeEnd}
	cmd.SysProcAttr = newNamespace(os.Getuid(), os.Getgid())

	out, exit := runTied(cmd)
	_ = writeEnd.Close()
	if cmd.Process == nil {
		t.Fatalf("relaytest: %v: %s", exit, cure)
	}
	t.Logf("inside the namespace:\n%s", quote(out))
	v, err := io.ReadAll(readEnd)
	if err != nil {
		t.Fatalf("relaytest: reading the verdict: %v", err)
	}
	switch err := judge(verdict(v), exit); {
	case errors.Is(err, errSkipped):
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
}

// runTied runs cmd to its end and returns what it wrote. The child is killed
// if this process dies: the kernel ties it to the thread that started it
// (prctl(2), PR_SET_PDEATHSIG), hence the lock.
func runTied(cmd *exec.Cmd) ([]byte, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return cmd.CombinedOutput()
}

// newNamespace makes a network namespace. Without root it takes a user
// namespace too, in which the caller is root.
func newNamespace(uid, gid int) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if uid != 0 {
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: gid, Size: 1}}
	}
	return attr
}
