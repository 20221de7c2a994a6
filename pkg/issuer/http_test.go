package issuer

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestHTTPServerIsBounded(t *testing.T) {
	s := newBed(t).HTTPServer()
	for name, got := range map[string][2]time.Duration{
		"ReadHeaderTimeout": {s.ReadHeaderTimeout, 5 * time.Second},
		"ReadTimeout":       {s.ReadTimeout, 10 * time.Second},
		"WriteTimeout":      {s.WriteTimeout, 12 * time.Second},
		"IdleTimeout":       {s.IdleTimeout, 10 * time.Second},
	} {
		if got[0] != got[1] {
			t.Errorf("%s = %v, want %v", name, got[0], got[1])
		}
	}
	if s.MaxHeaderBytes != 8<<10 || s.HTTP2.MaxConcurrentStreams != 100 {
		t.Errorf("headers %d, streams %d", s.MaxHeaderBytes, s.HTTP2.MaxConcurrentStreams)
	}
}

// pipes is a listener of in-memory connections, so that time can be fake.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	c, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (p pipes) Close() error   { return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// dial serves the API on one connection. The far end is given to talk, in fake
// time; everything ends with it.
func (b *bed) dial(t *testing.T, talk func(net.Conn)) {
	synctest.Test(t, func(t *testing.T) {
		server, listener := b.HTTPServer(), make(pipes, 1)
		near, far := net.Pipe()
		listener <- near
		done := make(chan error, 1)
		go func() { done <- server.Serve(listener) }()
		talk(far)
		far.Close()
		close(listener)
		server.Close()
		<-done
	})
}

// exchange writes raw bytes and gives every status answered until the server
// closes the connection.
func exchange(t *testing.T, c net.Conn, raw string) []int {
	t.Helper()
	go io.WriteString(c, raw) // a pipe has no buffer: the server answers before it has read all
	var statuses []int
	in := bufio.NewReader(c)
	for {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			return statuses
		}
		statuses = append(statuses, resp.StatusCode)
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Error(err)
		}
		if resp.Header.Get("Server") != "" {
			t.Errorf("Server: %s", resp.Header.Get("Server"))
		}
	}
}

func TestRawHTTP(t *testing.T) {
	b := newBed(t)
	head := "POST /v1/credentials HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + b.plain + "\r\nContent-Type: application/json\r\n"
	whole := head + "Content-Length: 2\r\n\r\n{}"
	last := head + "Connection: close\r\nContent-Length: 2\r\n\r\n{}"
	tests := []struct {
		name, raw string
		statuses  []int
	}{
		{"two requests", whole + last, []int{200, 200}},
		{"chunked", head + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", []int{200}},
		{"nothing after chunked", head + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" + last, []int{200}},
		{"TE and CL: nothing smuggled", head + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" + last, []int{200}},
		{"CL and TE, other order", head + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n2\r\n{}\r\n0\r\n\r\n" + last, []int{200}},
		{"two TE", head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n2\r\n{}\r\n0\r\n\r\n" + last, []int{501}},
		{"unknown TE", head + "Transfer-Encoding: xchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" + last, []int{501}},
		{"bare LF in a chunk header", head + "Transfer-Encoding: chunked\r\n\r\n2;\n{}\r\n0\r\n\r\n" + last, []int{400}},
		{"two CL", head + "Content-Length: 2\r\nContent-Length: 4\r\n\r\n{}" + last, []int{400}},
		{"signed CL", head + "Content-Length: +2\r\n\r\n{}" + last, []int{400}},
		{"space before colon", head + "Content-Length : 2\r\n\r\n{}" + last, []int{400}},
		{"two Authorization", head + "Authorization: Bearer " + b.plain + "\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}", []int{401}},
		{"folded Authorization", "POST /v1/credentials HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer\r\n " + b.plain + "\r\nConnection: close\r\n\r\n", []int{200}},
		{"no Host", strings.Replace(last, "Host: x\r\n", "", 1), []int{400}},
		{"1 MB of headers", head + "X: " + strings.Repeat("x", 1<<20) + "\r\n\r\n", []int{431}},
		{"OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", []int{404}},
		{"CONNECT", "CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", []int{400}},
		{"absolute form", strings.Replace(last, "POST /", "POST http://x/", 1), []int{400}},
		{"absolute form, another host", strings.Replace(last, "POST /", "POST http://evil/", 1), []int{400}},
		{"absolute form, another scheme", strings.Replace(last, "POST /", "POST ftp://x/", 1), []int{400}},
		{"two Host", strings.Replace(last, "Host: x\r\n", "Host: x\r\nHost: evil\r\n", 1), []int{400}},
		{"no leading slash", strings.Replace(last, "POST /", "POST ", 1), []int{400}},
		{"two slashes", strings.Replace(last, "POST /", "POST //", 1), []int{404}},
		{"an escaped path", strings.Replace(last, "/credentials", "/%63redentials", 1), []int{404}},
		{"an escaped slash", strings.Replace(last, "v1/credentials", "v1%2fcredentials", 1), []int{404}},
		{"a path that ends in a CR", strings.Replace(last, "/credentials ", "/credentials%0d%0a ", 1), []int{404}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b.dial(t, func(c net.Conn) {
				if got := exchange(t, c, tt.raw); fmt.Sprint(got) != fmt.Sprint(tt.statuses) {
					t.Errorf("answered %v, want %v", got, tt.statuses)
				}
			})
		})
	}
}

// A client that does not finish is let go of in bounded time.
func TestSlowClients(t *testing.T) {
	b := newBed(t)
	head := "POST /v1/credentials HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + b.plain + "\r\n"
	tests := []struct {
		name, raw string
		within    time.Duration
	}{
		{"nothing", "", 5 * time.Second},
		{"half a header", head[:20], 5 * time.Second},
		{"half a body", head + "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{", 10 * time.Second},
		{"half a body without a key", "POST /v1/credentials HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{", 10 * time.Second},
		{"idle", head + "Content-Length: 0\r\n\r\n", 10 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b.dial(t, func(c net.Conn) {
				begin := time.Now()
				exchange(t, c, tt.raw)
				// net/http closes half a second after an answer it sent
				// before the request was read.
				if took := time.Since(begin); took > tt.within+500*time.Millisecond {
					t.Errorf("held for %v, want %v at most", took, tt.within)
				}
			})
		})
	}
}

// A body that does not come in time is answered like anything else.
func TestSlowBodyIsTold(t *testing.T) {
	b := newBed(t)
	b.dial(t, func(c net.Conn) {
		raw := "POST /v1/credentials HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + b.plain + "\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
		if got := exchange(t, c, raw); fmt.Sprint(got) != "[408]" {
			t.Errorf("answered %v", got)
		}
	})
	if n := b.Counters().Refused(Credentials, RequestTimeout); n != 1 {
		t.Errorf("counted %d", n)
	}
}

// One who never reads the answer is let go of too.
func TestClientThatDoesNotRead(t *testing.T) {
	b := newBed(t)
	b.dial(t, func(c net.Conn) {
		begin := time.Now()
		if _, err := io.WriteString(c, "POST /v1/credentials HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(13 * time.Second) // fake time
		// net.Pipe has no buffer: what is read now was not given up on.
		if answer, _ := io.ReadAll(c); len(answer) != 0 || time.Since(begin) > 14*time.Second {
			t.Errorf("held for %v with %q", time.Since(begin), answer)
		}
	})
}
