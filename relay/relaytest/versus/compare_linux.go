package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// bench is everything that runs share.
type bench struct {
	options
	*tools
	*network
	log io.Writer
}

// compare runs what is asked for and writes the tables to out. What was
// measured before it was told to stop is written too.
func compare(ctx context.Context, o options, out, log io.Writer) (err error) {
	if o.cpus, err = pin(o.cpus); err != nil {
		return err
	}
	if err := raiseFiles(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "turnpike-versus-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b := bench{options: o, log: log}
	if b.tools, err = prepare(ctx, dir, o.loadOf); err != nil {
		return err
	}
	restore, err := raiseBuffers()
	defer restore()
	if err != nil {
		b.say("WARNING: %v", err)
	}
	if b.network, err = newNetwork(); err != nil {
		return err
	}
	defer b.network.Close()

	a := describe(b.tools, o.command, pinned{o.cpus.server, o.cpus.load})
	rs := b.all(ctx)
	return errors.Join(writeAll(out, o, a, rs), ctx.Err())
}

func writeAll(out io.Writer, o options, a about, rs results) error {
	_, err := io.WriteString(out, a.markdown())
	err = errors.Join(err, rs.write(out, o.cells))
	if o.json != "" {
		text, fault := json.MarshalIndent(struct {
			About about   `json:"about"`
			Runs  results `json:"runs"`
		}{a, rs}, "", " ")
		err = errors.Join(err, fault, os.WriteFile(o.json, append(text, '\n'), 0o644))
	}
	if rs.failed() {
		err = errors.Join(err, errors.New("some runs failed, see above"))
	}
	return err
}

// all runs cell by cell, in each round by round, in each server by server.
func (b *bench) all(ctx context.Context) (rs results) {
	for i, c := range b.cells {
		rounds := b.rounds
		if c.rounds > 0 {
			rounds = min(rounds, c.rounds)
		}
		rivals := c.rivals(b.servers)
		for round := range rounds {
			for _, s := range order(len(rivals), round) {
				b.say("%d/%d %s, round %d/%d, %s:", i+1, len(b.cells), c.name, round+1, rounds, rivals[s].name)
				r := b.quietest(ctx, c, rivals[s], round)
				if ctx.Err() != nil {
					return rs
				}
				rs = append(rs, r)
			}
		}
	}
	return rs
}

func (b *bench) say(format string, args ...any) { _, _ = fmt.Fprintf(b.log, format+"\n", args...) }

// quietest runs until nobody disturbs the run, or as often as is asked for.
func (b *bench) quietest(ctx context.Context, c cell, s server, round int) (best run) {
	for try := range 1 + b.repeat {
		r := b.once(ctx, c, s, round)
		if ctx.Err() != nil {
			break // it was cut short
		}
		b.say("    %s", r.summary(c.part))
		if try == 0 || r.Foreign < best.Foreign && r.Error == "" {
			best = r
		}
		if best.Foreign <= noisy || best.Error != "" {
			break
		}
	}
	return best
}

// once starts a server, runs the load on it and ends it.
func (b *bench) once(ctx context.Context, c cell, s server, round int) run {
	r := run{Cell: c.name, Server: s.name, Round: round}
	if err := b.measure(ctx, c.load, s, &r); err != nil {
		r.Report, r.Error = nil, err.Error()
	}
	if c.part == idle {
		r.Foreign = 0 // memory is the same whoever uses the processors
	}
	return r
}

func (b *bench) measure(ctx context.Context, l load, s server, r *run) error {
	ctx, cancel := context.WithTimeout(ctx, startTime+l.longest(b.timing))
	defer cancel()
	if err := os.WriteFile(b.config(), []byte(s.configuration()), 0o600); err != nil {
		return err
	}
	ports := []port{{"udp", plainPort}, {"tcp", plainPort}}
	if l.transport == "tls" || s.flood.kind == halfTLS {
		ports = append(ports, port{"tcp", tlsPort})
	}
	cmd := inside(ctx, b.network.server, b.cpus.server, s.command(b.files, b.turnserver, b.secret)...)
	p, err := startServer(ctx, cmd, b.files.log(), ports...)
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	defer p.stop()

	r.Command = append([]string{b.loader}, slices.Concat(l.args(p.pid(), b.timing), s.credentials(b.files, l), b.trust(l))...)
	before, err := look(p.pid())
	if err != nil {
		return err
	}
	out, cpu, did, err := b.underAttack(ctx, inside(ctx, b.network.load, b.cpus.load, r.Command...), l, s, p)
	if err != nil {
		return err
	}
	after, err := look(p.pid())
	if err != nil {
		return fmt.Errorf("%s: %w: %s", s.name, err, p.lastWords())
	}
	r.Foreign, r.Stolen = others(before, after, cpu)
	if r.Report, err = readReport(l, out); err == nil {
		r.Output, r.Flood, r.Report.Flood = out, did, did
	}
	return err
}

// trust tells the load source which certificate to expect.
func (b *bench) trust(l load) []string {
	if l.transport != "tls" {
		return nil
	}
	return []string{"--ca-file", b.certificate()}
}

// summary is a run in a line, for who waits.
func (r run) summary(p *part) string {
	if r.Report == nil {
		return "FAILED: " + r.Error
	}
	text := ""
	for _, m := range p.metrics {
		text += m.title + " " + m.format(m.of(r.Report)) + ", "
	}
	return text + fmt.Sprintf("foreign CPU %.2f", r.Foreign)
}

// pin chooses the processors that were not named.
func pin(p pinning) (pinning, error) {
	var allowed unix.CPUSet
	if err := unix.SchedGetaffinity(0, &allowed); err != nil {
		return p, err
	}
	var cpus []int
	for i := range len(allowed) * 64 {
		if allowed.IsSet(i) {
			cpus = append(cpus, i)
		}
	}
	if p.server < 0 {
		p.server = cpus[len(cpus)-1]
	}
	if p.load < 0 {
		p.load = cpus[0]
	}
	if p.server == p.load {
		return p, fmt.Errorf("server and load source need a processor each, and both would be on %d of %v", p.load, cpus)
	}
	return p, nil
}

// raiseFiles lets what is started open as many sockets as it may: 10,000
// allocations are 10,000 of them. Only a limit that was set is inherited: Go's
// own raise of it is taken back for children.
func raiseFiles() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = limit.Max
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
}
