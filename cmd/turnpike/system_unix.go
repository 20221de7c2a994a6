//go:build unix

package main

import (
	"errors"
	"os"
	"syscall"
)

// fileLimit is how many descriptors this process may have.
func fileLimit() (uint64, error) {
	var limit syscall.Rlimit
	err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)
	return limit.Cur, err
}

// isNull tells the null device, which service managers give for stdin, from the
// other character devices.
func isNull(f *os.File) bool {
	info, err := f.Stat()
	null, missing := os.Stat(os.DevNull)
	if err != nil || missing != nil {
		return false
	}
	a, _ := info.Sys().(*syscall.Stat_t)
	b, _ := null.Sys().(*syscall.Stat_t)
	return a != nil && b != nil && a.Rdev == b.Rdev
}

// syncFolder has the names in a folder survive a power cut (fsync(2)).
func syncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
