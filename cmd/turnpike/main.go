package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// Exit codes. 78 is EX_CONFIG of sysexits: a supervisor does not try again.
const (
	exitFailure  = 1
	exitQuestion = 2 // where exitFailure is an answer
	exitConfig   = 78
)

func main() {
	err := command().ExecuteContext(context.Background())
	if err == nil {
		return
	}
	if !errors.Is(err, errDenied) {
		complain(err)
	}
	switch {
	case errors.As(err, new(badConfig)):
		os.Exit(exitConfig)
	case errors.As(err, new(badQuestion)):
		os.Exit(exitQuestion)
	}
	os.Exit(exitFailure)
}

// badConfig is an error that only another configuration cures.
type badConfig struct{ error }

func (e badConfig) Unwrap() error { return e.error }

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
