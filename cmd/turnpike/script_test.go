package main

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"turnpike/relay/relaytest"
)

// TestScripts runs the subcommands that need no network.
func TestScripts(t *testing.T) {
	testscript.Run(t, scriptParams(t, "testdata/script"))
}

// TestScriptsServe runs servers, in a network namespace with public-looking
// addresses: each script has one or two /24 of its own.
func TestScriptsServe(t *testing.T) {
	own := []netip.Prefix{netip.MustParsePrefix("93.184.0.0/16"), netip.MustParsePrefix("10.9.8.0/24")}
	if relaytest.InNamespace(t, relaytest.Namespace{Own: own}) {
		testscript.Run(t, scriptParams(t, "testdata/script/serve"))
	}
}

func scriptParams(t *testing.T, dir string) testscript.Params {
	binary := turnpike(t)
	return testscript.Params{
		Dir: dir, RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", filepath.Dir(binary)+string(filepath.ListSeparator)+e.Getenv("PATH"))
			bed := &scriptBed{binary: binary, logs: map[string]*scriptLog{}, servers: map[string]*scriptServer{}, clients: map[string]*relaytest.Client{}}
			e.Values[scriptKey{}] = bed
			e.Defer(bed.close)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": scriptExits, "secret": scriptSecret, "certificate": scriptCertificate,
			"start": scriptStart, "signal": scriptSignal, "ended": scriptEnded,
			"manager": scriptManager, "waitlog": scriptWaitLog, "apart": scriptApart, "mark": scriptMark, "expiring": scriptExpiring, "await": scriptAwait, "presents": scriptPresents,
			"client": scriptClient, "allocate": scriptAllocate, "reallocate": scriptReallocate, "refresh": scriptRefresh, "bind": scriptBind, "relay": scriptRelay, "pour": scriptPour,
			"nat": scriptNAT, "proxy": scriptProxy, "biddown": scriptBidDown, "redirected": scriptRedirected,
			"credential": scriptCredential,
		},
	}
}

// scriptKey is where a script keeps its bed.
type scriptKey struct{}

// scriptBed is what one script has running.
type scriptBed struct {
	binary  string
	logs    map[string]*scriptLog // by name of the server; "manager" is the service manager's
	servers map[string]*scriptServer
	clients map[string]*relaytest.Client
	opened  []io.Closer
}

func scriptBedOf(ts *testscript.TestScript) *scriptBed { return ts.Value(scriptKey{}).(*scriptBed) }

func (b *scriptBed) close() {
	for _, s := range b.servers {
		_ = s.cmd.Process.Kill()
		<-s.exited
	}
	for _, c := range slices.Backward(b.opened) {
		c.Close()
	}
}

// scriptPassed are the variables that start passes on: a script's environment
// can't be listed.
var scriptPassed = []string{"CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG_USEC",
	"TURNPIKE_DRAIN__TIMEOUT", "TURNPIKE_ISSUER__LISTEN", "TURNPIKE_OPERATOR__LISTEN", "TURNPIKE_CREDENTIALS__SHARED_SECRETS__APP__SECRET__FILE"}

// scriptServer is a process that a script has started.
type scriptServer struct {
	cmd    *exec.Cmd
	exited chan struct{}
}

func (s *scriptServer) runWait() {
	_ = s.cmd.Wait() // the state has what scripts ask for
	close(s.exited)
}

// scriptLog is what was written line by line, also to a file for grep.
type scriptLog struct {
	lines
	file *os.File
	seen int // lines before the last signal
}

func (b *scriptBed) newLog(ts *testscript.TestScript, name string) *scriptLog {
	file, err := os.Create(ts.MkAbs(name + ".log"))
	ts.Check(err)
	b.opened = append(b.opened, file)
	b.logs[name] = &scriptLog{file: file}
	return b.logs[name]
}

func (l *scriptLog) Write(p []byte) (int, error) {
	if _, err := l.file.Write(p); err != nil {
		return 0, err
	}
	return l.lines.Write(p)
}

// scriptArgs ends a script whose command is not used as its line says.
func scriptArgs(ts *testscript.TestScript, ok bool, usage string) {
	if !ok {
		ts.Fatalf("usage: %s", usage)
	}
}

// exits runs a program to its end, which has to come with that code.
func scriptExits(ts *testscript.TestScript, neg bool, args []string) {
	scriptArgs(ts, !neg && len(args) > 1, "exits CODE PROGRAM [ARG...]")
	code, exit := 0, new(exec.ExitError)
	// A server that runs on is ended.
	timed := append([]string{"-k", "1", strconv.Itoa(int(patience.Seconds()))}, args[1:]...)
	if err := ts.Exec("timeout", timed...); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// start runs turnpike in the background.
func scriptStart(ts *testscript.TestScript, neg bool, args []string) {
	scriptArgs(ts, !neg && len(args) > 1, "start NAME ARG...")
	bed := scriptBedOf(ts)
	s := &scriptServer{cmd: exec.Command(bed.binary, args[1:]...), exited: make(chan struct{})}
	s.cmd.Dir, s.cmd.Stderr = ts.MkAbs("."), bed.newLog(ts, args[0])
	s.cmd.Env = []string{"PATH=" + ts.Getenv("PATH")} // not the test's own
	for _, name := range scriptPassed {
		if value := ts.Getenv(name); value != "" {
			s.cmd.Env = append(s.cmd.Env, name+"="+value)
		}
	}
	ts.Check(s.cmd.Start())
	go s.runWait()
	bed.servers[args[0]] = s
}

// mark has waitlog look at what a server logs from here on.
func scriptMark(ts *testscript.TestScript, neg bool, args []string) {
	scriptArgs(ts, !neg && len(args) == 1, "mark NAME")
	scriptBedOf(ts).mark(args[0])
}

func (b *scriptBed) mark(name string) {
	if l := b.logs[name]; l != nil {
		l.seen = len(l.all())
	}
}

// expiring copies a file with a time from now in place of the word EXPIRY.
func scriptExpiring(ts *testscript.TestScript, neg bool, args []string) {
	scriptArgs(ts, !neg && len(args) == 3, "expiring DURATION FROM TO")
	in, err := time.ParseDuration(args[0])
	ts.Check(err)
	text := strings.ReplaceAll(ts.ReadFile(args[1]), "EXPIRY", time.Now().Add(in).UTC().Format(time.RFC3339Nano))
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(text), 0o600))
}

// signal sends one to a server. waitlog looks at what is logged from here on.
func scriptSignal(ts *testscript.TestScript, neg bool, args []string) {
	known := map[string]syscall.Signal{"TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP, "KILL": syscall.SIGKILL}
	scriptArgs(ts, !neg && len(args) == 2 && known[args[1]] != 0, "signal NAME TERM|HUP|KILL")
	bed := scriptBedOf(ts)
	bed.mark(args[0])
	bed.mark("manager")
	ts.Check(bed.servers[args[0]].cmd.Process.Signal(known[args[1]]))
}

// ended waits for a server's end, which has to come with that code.
func scriptEnded(ts *testscript.TestScript, neg bool, args []string) {
	scriptArgs(ts, !neg && len(args) == 2, "ended NAME CODE")
	s := scriptBedOf(ts).servers[args[0]]
	select {
	case <-s.exited:
	case <-time.After(patience):
		ts.Fatalf("%s still runs", args[0])
	}
	if code := s.cmd.ProcessState.ExitCode(); strconv.Itoa(code) != args[1] {
		ts.Fatalf("%s: %s, want code %s:\n%s", args[0], s.cmd.ProcessState, args[1], ts.ReadFile(args[0]+".log"))
	}
}

// manager is a service manager's socket, as sd_notify(3) wants it. Each message
// is a line of the log "manager".
func scriptManager(ts *testscript.TestScript, neg bool, args []string) {
	scriptArgs(ts, !neg && len(args) == 0, "manager")
	at := ts.MkAbs("manager.sock")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: at, Net: "unixgram"})
	ts.Check(err)
	bed := scriptBedOf(ts)
	log := bed.newLog(ts, "manager")
	bed.opened = append(bed.opened, conn)
	ts.Setenv("NOTIFY_SOCKET", at)
	go scriptRunManager(conn, log)
}

func scriptRunManager(conn *net.UnixConn, log io.Writer) {
	message := make([]byte, 4096)
	for {
		n, err := conn.Read(message)
		if err != nil {
			return
		}
		fmt.Fprintln(log, strings.ReplaceAll(string(message[:n]), "\n", "|"))
	}
}

// waitlog waits for a line of a log that was written after the last signal.
func scriptWaitLog(ts *testscript.TestScript, neg bool, args []string) {
	scriptArgs(ts, !neg && len(args) == 2, "waitlog NAME REGEXP")
	bed, want := scriptBedOf(ts), regexp.MustCompile(args[1])
	log, late := bed.logs[args[0]], time.After(patience)
	var gone chan struct{} // never, for the manager
	if s := bed.servers[args[0]]; s != nil {
		gone = s.exited
	}
	for seen := log.seen; ; {
		all, more := log.since(seen)
		if slices.ContainsFunc(all, want.MatchString) {
			return
		}
		seen += len(all)
		select {
		case <-more:
			continue
		case <-late:
		case <-gone:
			if all, _ := log.since(seen); len(all) > 0 {
				continue
			}
		}
		ts.Fatalf("%s: no line like %s in\n%s", args[0], want, strings.Join(log.all(), "\n"))
	}
}

// await asks until the status and the body of the answer are as wanted.
func scriptAwait(ts *testscript.TestScript, neg bool, args []string) {
	scriptArgs(ts, !neg && len(args) == 2, "await URL REGEXP")
	want, client := regexp.MustCompile(args[1]), http.Client{Timeout: patience}
	defer client.CloseIdleConnections()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for late := time.After(patience); ; {
		got := ""
		if resp, err := client.Get(args[0]); err == nil {
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			ts.Check(err)
			got = resp.Status + "\n" + string(body)
		}
		if want.MatchString(got) {
			return
		}
		select {
		case <-again.C:
		case <-late:
			ts.Fatalf("%s never was like %s:\n%s", args[0], want, got)
		}
	}
}

// secret writes random ones into files.
func scriptSecret(ts *testscript.TestScript, neg bool, args []string) {
	scriptArgs(ts, !neg && len(args) > 0, "secret FILE...")
	for _, file := range args {
		b := make([]byte, 48)
		rand.Read(b) // never fails
		ts.Check(os.WriteFile(ts.MkAbs(file), []byte(base64.StdEncoding.EncodeToString(b)+"\n"), 0o600))
	}
}

// certificate writes a self-signed pair.
func scriptCertificate(ts *testscript.TestScript, neg bool, args []string) {
	scriptArgs(ts, !neg && len(args) == 3, "certificate CERT KEY ADDRESS")
	ts.Check(writeCertificate(ts.MkAbs(args[0]), ts.MkAbs(args[1]), args[2], time.Now().Add(time.Hour)))
}

// presents tells whether a TLS handshake brings the certificate of that file.
func scriptPresents(ts *testscript.TestScript, neg bool, args []string) {
	scriptArgs(ts, len(args) == 2, "[!] presents ADDRESS CERT")
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", args[0], scriptTLS)
	ts.Check(err)
	defer conn.Close()
	file, err := scriptReadCertificate(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := conn.ConnectionState().PeerCertificates[0]; got.Equal(file) == neg {
		ts.Fatalf("%s presents certificate %s, %s has %s", args[0], got.SerialNumber, args[1], file.SerialNumber)
	}
}

func scriptReadCertificate(file string) (*x509.Certificate, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	return x509.ParseCertificate(block.Bytes)
}
