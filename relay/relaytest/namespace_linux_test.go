package relaytest

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

var ownBoth = Namespace{Own: []netip.Prefix{publicNet, netip.MustParsePrefix("2606:4700:10::/64")}}

func TestNamespaceIsAlone(t *testing.T) {
	if !InNamespace(t, ownBoth) {
		return
	}
	ifaces, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range ifaces {
		if up := i.Flags&net.FlagUp != 0; up != (i.Name == "lo") {
			t.Errorf("interface %s is up: %t", i.Name, up)
		}
	}
	for _, away := range []string{"8.8.8.8:53", "[2001:4860:4860::8888]:53"} {
		_, err := net.Dial("udp", away)
		if !errors.Is(err, syscall.ENETUNREACH) && !errors.Is(err, syscall.EADDRNOTAVAIL) {
			t.Errorf("dialling %s: %v, want no route", away, err)
		}
	}
}

func TestNamespaceOwnsItsPrefixes(t *testing.T) {
	if !InNamespace(t, ownBoth) {
		return
	}
	for _, pair := range [][2]string{
		{"93.184.216.7", "93.184.216.254"},
		{"2606:4700:10::7", "2606:4700:10::ffff"},
		{"93.184.216.7", "127.0.0.1"},
	} {
		t.Run(pair[0]+" to "+pair[1], func(t *testing.T) {
			ear, err := NewEar(ListenUDP(t, netip.MustParseAddr(pair[1])))
			if err != nil {
				t.Fatal(err)
			}
			from := ListenUDP(t, netip.MustParseAddr(pair[0]))
			if _, err := from.WriteTo([]byte("hello"), net.UDPAddrFromAddrPort(ear.Addr())); err != nil {
				t.Fatal(err)
			}
			if heard, err := ear.Heard([]byte("hello")); !heard || err != nil {
				t.Errorf("heard: %t, %v", heard, err)
			}
		})
	}
}

func TestNamespaceOfASubtest(t *testing.T) {
	for _, name := range []string{"plain", "with (1) odd/name", "plain"} {
		t.Run(name, func(t *testing.T) {
			if !InNamespace(t, ownBoth) {
				return
			}
			ListenUDP(t, clientHost)
		})
	}
}

// modeEnv tells TestMisbehaves how to.
const modeEnv = "TURNPIKE_TEST_MODE"

// TestMisbehaves is the test that TestChildFailsItsParent runs. By itself it
// does nothing.
func TestMisbehaves(t *testing.T) {
	mode := os.Getenv(modeEnv)
	if mode == "" || !InNamespace(t, ownBoth) {
		return
	}
	switch mode {
	case "fail":
		t.Error("on purpose")
	case "fail in a subtest":
		t.Run("sub", func(t *testing.T) { t.Error("on purpose") })
	case "fail in a cleanup":
		t.Cleanup(func() { t.Error("on purpose") })
	case "panic":
		panic("on purpose")
	case "exit":
		syscall.Exit(0)
	case "nest":
		t.Run("inner", func(t *testing.T) { InNamespace(t, ownBoth) })
	case "skip":
		t.Skip("on purpose")
	}
}

func TestChildFailsItsParent(t *testing.T) {
	for mode, want := range map[string]string{
		"pass":              "--- PASS: TestMisbehaves",
		"skip":              "--- SKIP: TestMisbehaves",
		"fail":              "--- FAIL: TestMisbehaves",
		"fail in a subtest": "--- FAIL: TestMisbehaves",
		"fail in a cleanup": "--- FAIL: TestMisbehaves",
		"panic":             "failed inside the namespace",
		"exit":              "ran no test, or died",
		"nest":              "asks for a namespace inside that of",
	} {
		t.Run(mode, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run=^TestMisbehaves$", "-test.v")
			cmd.Env = append(os.Environ(), modeEnv+"="+mode)
			out, err := cmd.CombinedOutput()
			if passes := mode == "pass" || mode == "skip"; (err == nil) != passes {
				t.Errorf("exit: %v", err)
			}
			if !strings.Contains(string(out), want) {
				t.Errorf("no %q in the output", want)
			}
			if t.Failed() {
				t.Logf("\n%s", quote(out))
			}
		})
	}
}

func TestNewNamespace(t *testing.T) {
	root, user := newNamespace(0, 0), newNamespace(1000, 100)
	if root.Cloneflags != syscall.CLONE_NEWNET || root.UidMappings != nil {
		t.Errorf("root: flags %#x, mappings %v", root.Cloneflags, root.UidMappings)
	}
	if user.Cloneflags != syscall.CLONE_NEWNET|syscall.CLONE_NEWUSER ||
		user.UidMappings[0].HostID != 1000 || user.GidMappings[0].HostID != 100 {
		t.Errorf("user: flags %#x, mappings %v %v", user.Cloneflags, user.UidMappings, user.GidMappings)
	}
	if root.Pdeathsig != syscall.SIGKILL || user.Pdeathsig != syscall.SIGKILL {
		t.Error("a child would outlive its parent")
	}
}
