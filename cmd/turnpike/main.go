package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	if err := command().ExecuteContext(ctx); err != nil {
		complain(err)
		os.Exit(1)
	}
}

// complain writes the last words, but not to a stderr that nobody reads: the
// process is to end.
func complain(err error) {
	written := make(chan struct{})
	go func() {
		fmt.Fprintln(os.Stderr, "turnpike:", err)
		close(written)
	}()
	select {
	case <-written:
	case <-time.After(time.Second):
	}
}
