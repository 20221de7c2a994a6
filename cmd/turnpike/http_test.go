package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
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

// Browsers are told to come over HTTPS alone, and only where they came by it.
func TestHSTS(t *testing.T) {
	h := strict(&http.Server{Handler: http.NotFoundHandler()}).Handler
	for base, want := range map[string]string{"https://turn.example": "max-age=63072000", "http://turn.example": ""} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, base+"/v1/credentials", nil))
		if got := w.Header().Get("Strict-Transport-Security"); got != want || w.Code != http.StatusNotFound {
			t.Errorf("%s: %d, %q, want %q", base, w.Code, got, want)
		}
	}
}

// Every HTTP listener is capped.
func TestHTTPListenersAreCapped(t *testing.T) {
	open, err := listenHTTP([]endpoint{{network: "tcp4", address: "127.0.0.1:0"}}, 1, nil, nil, false)
	badConfigCheck(t, err)
	defer open.close()
	go func() {
		for {
			if _, err := open[0].Accept(); err != nil {
				return
			}
		}
	}()
	for i := range 2 {
		c, err := net.Dial("tcp4", open[0].Addr().String())
		badConfigCheck(t, err)
		defer c.Close()
		if i == 1 {
			if _, err := c.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("one too many: %v, want it closed", err)
			}
		}
	}
}
