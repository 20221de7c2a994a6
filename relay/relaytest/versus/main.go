package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"
)

// options are what the command line says.
type options struct {
	command []string // as it was given
	cells   []cell
	servers *regexp.Regexp
	rounds  int
	repeat  int // times, at most, that a disturbed run is repeated
	timing  timing
	json    string
	loadOf  string // a turnpike whose load source is used; empty: the one that is built
	cpus    pinning
}

// pinning is the processor of each side; -1: the last and the first that the
// process may use.
type pinning struct{ server, load int }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	if isFlood(os.Args) {
		if err := runFlood(ctx, os.Args[2:], os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "versus flood:", err)
			os.Exit(1)
		}
		return
	}
	o, list, err := parse(os.Args, os.Stderr)
	switch {
	case err != nil:
	case list:
		for _, c := range o.cells {
			fmt.Println(c.name)
		}
	default:
		err = compare(ctx, o, os.Stdout, os.Stderr)
	}
	if errors.Is(err, context.Canceled) {
		err = errors.New("stopped before the end")
	}
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "versus:", err)
		os.Exit(1)
	}
}

// parse reads the command line, the program's name first.
func parse(args []string, usage io.Writer) (o options, list bool, err error) {
	set := flag.NewFlagSet("versus", flag.ContinueOnError)
	set.SetOutput(usage)
	cells := set.String("cells", "", "run only cells whose name matches this `regexp` (see --list)")
	rivals := set.String("servers", "", "run only servers whose name matches this `regexp`, and coturn")
	quick := set.Bool("quick", false, "a few cells, 2 rounds, 2 s each: about 3 minutes, not 30")
	set.BoolVar(&list, "list", false, "list the cells and do nothing")
	set.IntVar(&o.rounds, "rounds", 0, "rounds of every cell (default 3, quick 2)")
	set.IntVar(&o.repeat, "repeat", 0, "repeat a run that other processes disturbed, so many `times` at most, and take the quietest")
	set.DurationVar(&o.timing.measured, "duration", 0, "measured `time` of a run (default 3s, quick 2s)")
	set.DurationVar(&o.timing.warmup, "warmup", time.Second, "`time` before it")
	set.StringVar(&o.json, "json", "", "write every run to this `file`")
	set.StringVar(&o.loadOf, "load", "", "take the load source of this turnpike `program`, not of the one that is measured")
	set.IntVar(&o.cpus.server, "server-cpu", -1, "`processor` of the server; -1: the last")
	set.IntVar(&o.cpus.load, "load-cpu", -1, "`processor` of the load source; -1: the first")
	if err := set.Parse(args[1:]); err != nil {
		return o, false, err
	}
	o.command = args
	standard, duration := 3, 3*time.Second
	if *quick {
		standard, duration = 2, 2*time.Second
	}
	if o.rounds == 0 {
		o.rounds = standard
	}
	if o.timing.measured == 0 {
		o.timing.measured = duration
	}
	name, err := regexp.Compile(*cells)
	if err != nil {
		return o, false, fmt.Errorf("--cells: %w", err)
	}
	if o.servers, err = regexp.Compile(*rivals); err != nil {
		return o, false, fmt.Errorf("--servers: %w", err)
	}
	o.cells = choose(allCells(), name, *quick)
	switch {
	case set.NArg() > 0:
		return o, false, fmt.Errorf("%q is not a flag", set.Arg(0))
	case len(o.cells) == 0:
		return o, false, errors.New("no cell has such a name: see --list")
	case o.rounds < 1 || o.timing.measured <= 0 || o.timing.warmup < 0 || o.repeat < 0:
		return o, false, errors.New("--rounds and --duration must be above 0, --warmup and --repeat not below")
	}
	return o, list, nil
}
