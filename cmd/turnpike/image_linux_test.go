package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"debug/elf"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/mod/modfile"
	"golang.org/x/sys/unix"

	"turnpike/pkg/probe"
	"turnpike/relay/relaytest"
)

const (
	imageEnv     = "TURNPIKE_TEST_IMAGE" // the root of the image, for the test inside the namespace
	imageRelease = "v0.0.0-image-test"
)

var (
	imageAddr    = netip.MustParseAddr("93.184.216.34")
	imageNetwork = netip.MustParsePrefix("93.184.216.0/24")
)

// The image, built and run as the Dockerfile and docs/deployment.md say: root
// read-only, no user but 65532, no capability but the one for low ports, and
// nothing mounted but configuration and the directory of sockets.
func TestImage(t *testing.T) {
	steps := readDockerfile(t)
	if os.Getenv(imageEnv) == "" {
		t.Setenv(imageEnv, buildImage(t, steps))
	}
	if !relaytest.InNamespace(t, relaytest.Namespace{Own: []netip.Prefix{imageNetwork}}) {
		return
	}
	root := os.Getenv(imageEnv)
	t.Run("Files", func(t *testing.T) { checkImageFiles(t, root) })
	t.Run("Static", func(t *testing.T) { checkImageBinary(t, root) })

	hostAddress(t)
	c := newContainer(t, root, steps)
	t.Run("Serves", func(t *testing.T) { c.do(t, imageCaps, checkServing) })
	t.Run("NoNewPrivileges", func(t *testing.T) { c.do(t, imageCaps, checkNoNewPrivileges) })
	t.Run("NoCapability", func(t *testing.T) { c.do(t, nil, checkNoCapability) })
}

// buildImage carries out the whole Dockerfile and returns the image's root.
func buildImage(t *testing.T, steps []instruction) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("building the image needs root: run the tests as root (sudo make test), or in docker --privileged")
	}
	checkGoVersion(t, steps)
	b := &builder{
		context: t.TempDir(), scratch: t.TempDir(), roots: map[string]string{},
		given: map[string]string{"VERSION": imageRelease, "TARGETOS": runtime.GOOS, "TARGETARCH": runtime.GOARCH},
		environ: []string{
			"HOME=/root", "PATH=" + goEnv("GOROOT") + "/bin:/usr/sbin:/usr/bin:/sbin:/bin", "GOTOOLCHAIN=local",
			"GOCACHE=" + goEnv("GOCACHE"), "GOMODCACHE=" + goEnv("GOMODCACHE"), "GOPROXY=" + goEnv("GOPROXY"),
		},
	}
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"} {
		if value, ok := os.LookupEnv(name); ok { // docker build hands these on too
			b.environ = append(b.environ, name+"="+value)
		}
	}
	if err := os.Chmod(b.scratch, 0o755); err != nil {
		t.Fatal(err)
	}
	buildContext(t, b.context)
	err := unmoored(func() error {
		for _, in := range steps {
			began := time.Now()
			if err := b.step(in); err != nil {
				return err
			}
			t.Logf("%6.1fs %s %s", time.Since(began).Seconds(), in.name, in.args)
		}
		return nil
	})
	for _, root := range b.roots {
		_ = os.Remove(filepath.Dir(root)) // an empty mount point by now
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.scratch
}

// checkGoVersion: the base image is the one thing that the build here does not
// have, so its version is compared.
func checkGoVersion(t *testing.T, steps []instruction) {
	t.Helper()
	text, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	mod, err := modfile.Parse("go.mod", text, nil)
	if err != nil {
		t.Fatal(err)
	}
	minor := mod.Go.Version[:strings.LastIndex(mod.Go.Version, ".")]
	if want := "golang:" + minor + "-bookworm"; !strings.Contains(steps[0].args, want) {
		t.Errorf("the Dockerfile builds with %q, go.mod asks for %s", steps[0].args, want)
	}
}

// checkImageFiles: nothing is in the image that the documentation does not
// name.
func checkImageFiles(t *testing.T, root string) {
	want := []string{"etc", "etc/ssl", "etc/ssl/certs", "etc/ssl/certs/ca-certificates.crt", "etc/turnpike", "usr", "usr/bin", "usr/bin/turnpike"}
	var got []string
	err := fs.WalkDir(os.DirFS(root), ".", func(path string, _ fs.DirEntry, err error) error {
		got = append(got, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got = got[1:]; !slices.Equal(got, want) {
		t.Errorf("the image holds %q, want %q", got, want)
	}
	for _, path := range []string{"`/etc/turnpike`", "`/etc/ssl/certs/ca-certificates.crt`", "`/usr/bin/turnpike`"} {
		if !strings.Contains(deploymentPage(t), path) {
			t.Errorf("docs/deployment.md does not name %s", path)
		}
	}
}

// checkImageBinary: there is no loader and no library in the image.
func checkImageBinary(t *testing.T, root string) {
	binary, err := elf.Open(filepath.Join(root, "usr/bin/turnpike"))
	if err != nil {
		t.Fatal(err)
	}
	defer binary.Close()
	for _, p := range binary.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("the binary wants a dynamic loader")
		}
	}
}

func deploymentPage(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/deployment.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// hostAddress gives the namespace a public address and a default route that
// leads nowhere: a host as `0.0.0.0` and `auto` of the configuration want it.
func hostAddress(t *testing.T) {
	t.Helper()
	for _, args := range [][]string{
		{"addr", "add", imageAddr.String() + "/32", "dev", "lo"},
		{"route", "add", "default", "dev", "lo", "src", imageAddr.String()},
	} {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %q: %v: %s", args, err, out)
		}
	}
}

// configure writes the configuration of docs/deployment.md and the files it
// names, with the modes that the page gives them.
func (c *container) configure(t *testing.T) {
	t.Helper()
	sample := regexp.MustCompile("(?s)```yaml\n(version: 1\n.*?)```").FindStringSubmatch(deploymentPage(t))
	if sample == nil {
		t.Fatal("no configuration in docs/deployment.md")
	}
	secret := make([]byte, 48)
	rand.Read(secret)
	certificate, key := imageCertificate(t)
	for name, content := range map[string][]byte{
		"turnpike.yaml": []byte(sample[1]), "issuer-k1.key": []byte(base64.StdEncoding.EncodeToString(secret) + "\n"),
		"tls/fullchain.pem": certificate, "tls/privkey.pem": key,
	} {
		path := filepath.Join(c.etc, name)
		err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, content, 0o640))
		if err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command("sh", "-c", fmt.Sprintf("chown -R root:%d %[2]s && chmod -R u=rwX,g=rX,o= %[2]s", c.gid, c.etc)).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

func imageCertificate(t *testing.T) (chain, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"turn.example.org"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

// checkServing: the image's own command serves, its health check says so, low
// ports answer, and its stop signal ends it well.
func checkServing(c *container) error {
	cmd := c.command(c.entrypoint, c.cmd)
	var output bytes.Buffer
	cmd.Stderr = &output
	if err := cmd.Start(); err != nil {
		return err
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	last := c.stop
	err := c.useServer(cmd.Process.Pid, exited)
	if err != nil {
		last = syscall.SIGKILL
	}
	_ = cmd.Process.Signal(last) // fails if it has ended, and then Wait says why
	if exit := <-exited; err == nil && exit != nil {
		err = fmt.Errorf("after %v: %w", c.stop, exit)
	}
	if err != nil {
		return fmt.Errorf("%w\n%s", err, output.String())
	}
	return nil
}

func (c *container) useServer(pid int, exited chan error) error {
	if err := c.waitReady(exited); err != nil {
		return err
	}
	if err := c.checkPrivileges(pid); err != nil {
		return err
	}
	for _, more := range [][]string{{}, {"unix:/run/turnpike/operator.sock"}} {
		if out, err := c.command(c.healthy, more).CombinedOutput(); err != nil {
			return fmt.Errorf("HEALTHCHECK %q: %w: %s", more, err, out)
		}
	}
	out, err := c.command(c.entrypoint, []string{"version"}).CombinedOutput()
	if err != nil || !strings.Contains(string(out), imageRelease) {
		return fmt.Errorf("the image says %q of its version (%v), and was built as %s", out, err, imageRelease)
	}
	for network, port := range map[string]uint16{"udp": 3478, "tcp": 3478, "tls": 443} {
		trust := &tls.Config{InsecureSkipVerify: true} // who signed it is not the question
		if _, err := probe.Binding(c.ctx, network, netip.AddrPortFrom(imageAddr, port), probe.Options{TLS: trust}); err != nil {
			return err
		}
	}
	return nil
}

// waitReady asks by the image's health check until the server takes clients.
func (c *container) waitReady(exited chan error) error {
	late := time.After(patience)
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		out, err := c.command(c.healthy, []string{"--ready"}).CombinedOutput()
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-late:
			return fmt.Errorf("not ready after %v: %s", patience, out)
		case exit := <-exited:
			exited <- exit
			return fmt.Errorf("ended before it was ready: %v", exit)
		}
	}
}

// checkPrivileges: the running server has one capability and is nobody else.
func (c *container) checkPrivileges(pid int) error {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return err
	}
	low := fmt.Sprintf("%016x", uint64(1)<<unix.CAP_NET_BIND_SERVICE)
	for field, want := range map[string]string{
		"Uid": strings.Repeat("65532", 4), "Gid": strings.Repeat("65532", 4), "Groups": "",
		"CapEff": low, "CapBnd": low, "CapInh": fmt.Sprintf("%016x", 0),
	} {
		got := regexp.MustCompile(`(?m)^` + field + `:(.*)$`).FindSubmatch(status)
		if got == nil || strings.Join(strings.Fields(string(got[1])), "") != want {
			return fmt.Errorf("%s of the server is %q, want %q", field, got, want)
		}
	}
	return nil
}

// checkNoNewPrivileges: with no_new_privs (allowPrivilegeEscalation: false) the
// file's capability gives nothing, and port 443 is refused.
func checkNoNewPrivileges(c *container) error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	out, err := c.command(c.entrypoint, c.cmd).CombinedOutput()
	if err == nil || !regexp.MustCompile(`:443\b.*permission denied`).Match(out) {
		return fmt.Errorf("without the capability it ended with %v, and did not say that port 443 is denied:\n%s", err, out)
	}
	return nil
}

// checkNoCapability: under --cap-drop ALL alone the kernel does not execute the
// file.
func checkNoCapability(c *container) error {
	err := c.command(c.entrypoint, []string{"version"}).Run()
	if !errors.Is(err, unix.EPERM) {
		return fmt.Errorf("without --cap-add NET_BIND_SERVICE: %v, want %v", err, unix.EPERM)
	}
	return nil
}

// maxExposure is what `systemd-analyze security` may give the unit at most, in
// tenths: 0 is best, 100 worst. What is left is the host's network.
const maxExposure = "17"

// The unit and the example beside it are understood as a whole, and the sandbox
// is as tight as it was.
func TestSystemdUnit(t *testing.T) {
	dir := t.TempDir()
	unit := filepath.Join(dir, "turnpike.service")
	for file, at := range map[string]string{"turnpike.service": unit, "secrets.conf": unit + ".d/secrets.conf"} {
		text, err := os.ReadFile("../../deploy/systemd/" + file)
		if err != nil {
			t.Fatal(err)
		}
		text = bytes.ReplaceAll(text, []byte("/usr/bin/turnpike"), []byte(turnpike(t)))
		if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.WriteFile(at, text, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{"verify", "--man=no", unit},
		{"security", "--offline=true", "--threshold=" + maxExposure, unit},
	} {
		out, err := exec.Command("systemd-analyze", args...).CombinedOutput()
		if err != nil || args[0] == "verify" && len(out) > 0 {
			t.Errorf("systemd-analyze %q: %v\n%s", args, err, out)
		}
	}
}
