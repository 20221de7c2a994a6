package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// inside makes the command line that runs a program in a namespace on one
// processor. Both are entered before the program begins (and under its process
// id), so that Go's runtime counts one processor.
func inside(ctx context.Context, namespace *os.File, cpu int, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "nsenter", append([]string{"--net=" + path(namespace), "taskset", "-c", strconv.Itoa(cpu)}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		// Ctrl-C goes to a whole process group; what is to end when is ours to say.
		Setpgid: true,
		// It does not outlive this process. The kernel ties it to the thread
		// that starts it, and threads of Go stay unless a goroutine locks one
		// and ends, which none that starts processes does.
		Pdeathsig: syscall.SIGKILL,
	}
	cmd.Cancel = func() error { return kill(cmd) }
	cmd.Env = slices.DeleteFunc(os.Environ(), setting)
	return cmd
}

// setting tells a variable that changes how a server works: all are measured
// as their configuration says.
func setting(variable string) bool {
	name, _, _ := strings.Cut(variable, "=")
	return strings.HasPrefix(name, "TURNPIKE_") || slices.Contains([]string{"GOMAXPROCS", "GOGC", "GOMEMLIMIT", "GODEBUG"}, name)
}

// kill ends a process, and what it may have started, at once: none of them
// holds anything worth keeping.
func kill(cmd *exec.Cmd) error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

// process is a server that runs.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when it is gone; exit is set before
	exit  error
	log   string
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// startServer starts a server and returns when it listens and has nothing left
// to do. The context's end kills it.
func startServer(ctx context.Context, cmd *exec.Cmd, log string, ports ...port) (*process, error) {
	file, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // the server has its own
	cmd.Stdout, cmd.Stderr = file, file
	if _, err := cmd.StdinPipe(); err != nil { // open until it ends: stock pion takes its end for ours
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, ended: make(chan struct{}), log: log}
	go p.runWait()
	if err := p.awaitPorts(ctx, ports); err != nil {
		p.stop()
		return nil, err
	}
	p.awaitQuiet(ctx)
	return p, nil
}

func (p *process) runWait() {
	p.exit = p.cmd.Wait()
	close(p.ended)
}

func (p *process) stop() {
	select {
	case <-p.ended: // its id may be another's by now
	default:
		_ = kill(p.cmd)
		<-p.ended
	}
}

// port is where a server has to listen before it is ready.
type port struct {
	table  string // of /proc/PID/net
	number uint16
}

// startTime bounds a server's start.
const startTime = 15 * time.Second

func (p *process) awaitPorts(ctx context.Context, ports []port) error {
	deadline := time.After(startTime)
	for !p.listens(ports) {
		select {
		case <-p.ended:
			return fmt.Errorf("it ended: %v: %s", p.exit, p.lastWords())
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline:
			return fmt.Errorf("it does not listen after %v: %s", startTime, p.lastWords())
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}

// listens looks at the sockets of the process's own namespace, in which no
// other server is.
func (p *process) listens(ports []port) bool {
	for _, port := range ports {
		table, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", p.pid(), port.table))
		if err != nil || !listening(string(table), port.number) {
			return false
		}
	}
	return true
}

// awaitQuiet waits until the server's start is over, or for 3 s: what it still
// does would be charged to the load, in time and memory.
func (p *process) awaitQuiet(ctx context.Context) {
	const step, little = 150 * time.Millisecond, 2 * time.Millisecond
	before, _ := processCPU(p.pid())
	for range int(3 * time.Second / step) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(step):
		}
		now, err := processCPU(p.pid())
		if err != nil || now-before < little {
			return
		}
		before = now
	}
}

// lastWords is the end of what it wrote.
func (p *process) lastWords() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-1000):])
}

// loaded runs a load source to its end and returns what it wrote and how long
// it used a processor.
func loaded(cmd *exec.Cmd) (out []byte, cpu time.Duration, err error) {
	out, err = cmd.Output()
	if state := cmd.ProcessState; state != nil {
		cpu = state.UserTime() + state.SystemTime()
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("the load source: %w: %s", err, exit.Stderr[max(0, len(exit.Stderr)-1000):])
	}
	return out, cpu, err
}
