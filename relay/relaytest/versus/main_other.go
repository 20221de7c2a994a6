//go:build !linux

package main

import (
	"context"
	"errors"
	"io"
)

func runFlood(context.Context, []string, io.Writer) error {
	return errors.New("forged addresses take Linux")
}

func compare(context.Context, options, io.Writer, io.Writer) error {
	return errors.New("network namespaces and schedstat are Linux's own: run it on Linux")
}
