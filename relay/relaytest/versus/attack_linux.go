package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// underAttack runs a load source to its end, as loaded does, and the server's
// flood beside it as soon as the load's sessions are there: it is those that are
// to be disturbed, not their beginning.
func (b *bench) underAttack(ctx context.Context, load *exec.Cmd, l load, s server, p *process) (out []byte, cpu time.Duration, did *flooded, err error) {
	if s.flood.kind == "" {
		out, cpu, err = loaded(load)
		return out, cpu, nil, err
	}
	var wg sync.WaitGroup
	done := make(chan struct{})
	wg.Go(func() {
		defer close(done)
		out, cpu, err = loaded(load)
	})
	awaitSessions(p, l.clients, done)
	did, more, fault := b.floodUntil(ctx, s.flood, done)
	wg.Wait()
	if did != nil {
		did.Overflowed = overflowed(udpTable(p), plainPort)
	}
	if err == nil {
		err = fault
	}
	return out, cpu + more, did, err
}

// awaitSessions waits until the server has a socket for each client, or the
// load has ended.
func awaitSessions(p *process, clients int, done <-chan struct{}) {
	for {
		if strings.Count(udpTable(p), "\n") > clients {
			return
		}
		select {
		case <-done:
			return
		case <-time.After(time.Millisecond):
		}
	}
}

// udpTable lists the UDP sockets of the server's namespace; none if it is gone.
func udpTable(p *process) string {
	table, _ := os.ReadFile(fmt.Sprintf("/proc/%d/net/udp", p.pid()))
	return string(table)
}

// floodUntil plays a flood until done, in a process of its own.
func (b *bench) floodUntil(ctx context.Context, f flood, done <-chan struct{}) (did *flooded, cpu time.Duration, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, 0, err
	}
	cmd := inside(ctx, b.network.load, b.cpus.load, append([]string{self}, f.args()...)...)
	var out, words bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &words
	if err := cmd.Start(); err != nil {
		return nil, 0, err
	}
	<-done
	_ = cmd.Process.Signal(syscall.SIGTERM) // if it has ended, it has an error to tell
	if err := cmd.Wait(); err != nil {
		return nil, 0, fmt.Errorf("the flood: %w: %s", err, &words)
	}
	did = new(flooded)
	err = json.Unmarshal(out.Bytes(), did)
	return did, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), err
}
