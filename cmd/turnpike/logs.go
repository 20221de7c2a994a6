package main

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// logQueue is how many lines may wait for a log that is slow.
	logQueue = 1024
	// logPatience is how long the last of them are waited for.
	logPatience = time.Second
)

// logs is where a server writes what happens. A log may be a pipe that nobody
// reads: nothing waits for it.
type logs struct {
	// Logger never waits: a line that finds no room is lost and counted.
	*slog.Logger
	// records is for whoever waits for the log by itself, as the queue of
	// session records does.
	records *slog.Logger

	level slog.LevelVar
	queue chan []byte
	done  chan struct{} // the queue is written
	lost  atomic.Uint64
	mu    sync.RWMutex // guards open: a line after close is lost
	open  bool
}

// newLogs writes in a format: json, text, or auto for text to a terminal and
// JSON to anything else.
func newLogs(w io.Writer, format string, level slog.Level) *logs {
	l := &logs{queue: make(chan []byte, logQueue), done: make(chan struct{}), open: true}
	l.level.Set(level)
	asText := format == "text" || format != "json" && isTerminal(w)
	handler := func(w io.Writer) slog.Handler {
		o := &slog.HandlerOptions{Level: &l.level}
		if asText {
			return slog.NewTextHandler(w, o)
		}
		return slog.NewJSONHandler(w, o)
	}
	l.Logger, l.records = slog.New(handler(l)), slog.New(handler(counted{w, &l.lost}))
	go l.run(counted{w, &l.lost})
	return l
}

// counted counts the lines that a log does not take.
type counted struct {
	io.Writer
	lost *atomic.Uint64
}

func (w counted) Write(line []byte) (int, error) {
	n, err := w.Writer.Write(line)
	if err != nil {
		w.lost.Add(1)
	}
	return n, err
}

// Write queues one line; slog calls it once for each.
func (l *logs) Write(line []byte) (int, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.open {
		select {
		case l.queue <- bytes.Clone(line):
			return len(line), nil
		default:
		}
	}
	l.lost.Add(1)
	return len(line), nil
}

func (l *logs) run(w io.Writer) {
	defer close(l.done)
	for line := range l.queue {
		_, _ = w.Write(line) // counted
	}
}

// close writes what is queued, if the log takes it.
func (l *logs) close() {
	l.mu.Lock()
	l.open = false
	close(l.queue)
	l.mu.Unlock()
	select {
	case <-l.done:
	case <-time.After(logPatience):
	}
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && !isNull(f)
}
