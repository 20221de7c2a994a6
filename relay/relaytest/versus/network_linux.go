package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// network is two namespaces joined by one wire. Nothing names them: they last
// as long as a process is in them or holds them open, so nothing is left of
// them when this process and those that it started are gone.
type network struct {
	server, load *os.File
}

// The hardware addresses of the wire's ends are set, so that each can know the
// other from the start and no run waits for ARP.
const (
	serverMAC = "02:00:00:00:00:01"
	loadMAC   = "02:00:00:00:00:02"
)

func newNetwork() (*network, error) {
	n := new(network)
	for _, f := range []**os.File{&n.server, &n.load} {
		var err error
		if *f, err = newNamespace(); err != nil {
			n.Close()
			return nil, fmt.Errorf("a network namespace: %w: run it as root with CAP_SYS_ADMIN and CAP_NET_ADMIN "+
				"(docker run --cap-add SYS_ADMIN --cap-add NET_ADMIN)", err)
		}
	}
	if err := n.join(); err != nil {
		n.Close()
		return nil, err
	}
	return n, nil
}

// newNamespace makes a namespace and holds it open.
func newNamespace() (*os.File, error) {
	type made struct {
		file *os.File
		err  error
	}
	c := make(chan made)
	go func() {
		// Never unlocked: the thread is in the new namespace for good, so it
		// has to end with the goroutine.
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			c <- made{nil, err}
			return
		}
		f, err := os.Open("/proc/thread-self/ns/net")
		c <- made{f, err}
	}()
	m := <-c
	return m.file, m.err
}

func (n *network) Close() {
	for _, f := range []*os.File{n.server, n.load} {
		if f != nil {
			_ = f.Close()
		}
	}
}

// path is by what other programs find the namespace.
func path(namespace *os.File) string {
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), namespace.Fd())
}

// join lays the wire. The load's side owns every address of clients and peers
// (AnyIP).
func (n *network) join() error {
	err := ip(n.load,
		"link set lo up",
		fmt.Sprintf("link add load0 address %s type veth peer name server0 address %s netns %s", loadMAC, serverMAC, path(n.server)),
		fmt.Sprintf("address add %s/%d dev load0", loadHost, wireNet.Bits()),
		"link set load0 up",
		fmt.Sprintf("route add local %s dev lo", clientNet),
		fmt.Sprintf("route add local %s dev lo", peerNet),
		fmt.Sprintf("route add local %s dev lo", strangerNet),
		fmt.Sprintf("neighbour replace %s lladdr %s dev load0 nud permanent", serverHost, serverMAC))
	if err != nil {
		return err
	}
	return ip(n.server,
		"link set lo up",
		fmt.Sprintf("address add %s/%d dev server0", serverHost, wireNet.Bits()),
		"link set server0 up",
		fmt.Sprintf("neighbour replace %s lladdr %s dev server0 nud permanent", loadHost, loadMAC),
		fmt.Sprintf("route add %s via %s", clientNet, loadHost),
		fmt.Sprintf("route add %s via %s", peerNet, loadHost),
		fmt.Sprintf("route add %s via %s", strangerNet, loadHost),
		fmt.Sprintf("route add %s via %s", forgedNet, loadHost))
}

// ip carries out lines of iproute2 inside a namespace.
func ip(namespace *os.File, lines ...string) error {
	cmd := exec.Command("nsenter", "--net="+path(namespace), "ip", "-batch", "-")
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip: %w: %s(nsenter comes with util-linux, ip with iproute2)", err, bytes.TrimSpace(out))
	}
	return nil
}
