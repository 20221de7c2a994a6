package main

import (
	"bytes"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
)

// stuck is a log that nobody reads until it is released.
type stuck struct {
	free chan struct{}
	got  bytes.Buffer
}

func (s *stuck) Write(b []byte) (int, error) {
	<-s.free
	return s.got.Write(b)
}

// Lines that a stuck log has no room for are lost and counted; the end waits a
// second for the others and no longer.
func TestLogsNeverWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &stuck{free: make(chan struct{})}
		l := newLogs(w, "json", slog.LevelInfo)
		l.Debug("not logged")
		for range logQueue + 10 {
			l.Info("line")
		}
		synctest.Wait()
		// One is being written, or it was in the queue when the last came.
		if n := l.lost.Load(); n < 9 || n > 10 {
			t.Errorf("%d lines lost, want 9 or 10", n)
		}
		l.close()
		l.Info("too late")
		lost := l.lost.Load()
		close(w.free)
		<-l.done
		if n := uint64(strings.Count(w.got.String(), `"msg":"line"`)); n+lost != logQueue+11 {
			t.Errorf("%d lines written and %d lost, want %d in all", n, lost, logQueue+11)
		}
	})
}

// What the log refuses is counted, of both loggers.
func TestRefusedLinesAreCounted(t *testing.T) {
	r, w := io.Pipe()
	r.Close()
	l := newLogs(w, "json", slog.LevelInfo)
	l.Info("line")
	l.records.Info("record")
	l.close()
	if n := l.lost.Load(); n != 2 {
		t.Errorf("%d lines lost, want 2", n)
	}
}

func TestLogFormats(t *testing.T) {
	for format, want := range map[string]string{"json": `"msg":"hello"`, "auto": `"msg":"hello"`, "text": "msg=hello"} {
		var b bytes.Buffer
		l := newLogs(&b, format, slog.LevelInfo)
		l.Info("hello")
		l.close()
		if !strings.Contains(b.String(), want) {
			t.Errorf("%s: %s", format, b.String())
		}
	}
}
