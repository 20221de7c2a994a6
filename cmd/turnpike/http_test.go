package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Whoever listens on a unix socket keeps it, also when he is too busy to take a
// connection; what a killed process has left behind goes.
func TestUnixSocketOfALivingProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.sock")
	at := &syscall.SockaddrUnix{Name: path}
	socket := func() int {
		fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
		badConfigCheck(t, err)
		badConfigCheck(t, syscall.SetNonblock(fd, true))
		t.Cleanup(func() { syscall.Close(fd) })
		return fd
	}
	busy := socket()
	badConfigCheck(t, syscall.Bind(busy, at))
	badConfigCheck(t, syscall.Listen(busy, 0))
	for i := 0; syscall.Connect(socket(), at) != syscall.EAGAIN; i++ {
		if i > 100 {
			t.Fatal("its queue is never full")
		}
	}
	if l, err := listenUnix(path); err == nil || !strings.Contains(err.Error(), "somebody listens on "+path) {
		t.Errorf("%v, %v", l, err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Error("its socket is gone")
	}
	badConfigCheck(t, syscall.Shutdown(busy, syscall.SHUT_RDWR))
	l, err := listenUnix(path)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}
