package accounting

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is a file under test whose writer the test drives.
type bench struct {
	*File
	t      *testing.T
	path   string
	faults []error
}

func open(t *testing.T, before string) *bench {
	b := &bench{t: t, path: filepath.Join(t.TempDir(), "accounting.jsonl")}
	if before != "" {
		if err := os.WriteFile(b.path, []byte(before), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if b.File, err = Open(b.path, func(err error) { b.faults = append(b.faults, err) }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.file.Close() })
	return b
}

func (b *bench) holds(path, want string) {
	b.t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		b.t.Errorf("%s: %q (%v), want %q", filepath.Base(path), got, err, want)
	}
}

// A file that is there is gone on with, whatever the end of its last line.
func TestLinesStandByThemselves(t *testing.T) {
	for before, want := range map[string]string{
		"":            "a\nb\n",
		"old\n":       "old\na\nb\n",
		"old\n{\"to":  "old\n{\"to\na\nb\n",
		"\n":          "\na\nb\n",
		"only a part": "only a part\na\nb\n",
	} {
		b := open(t, before)
		b.Write([]byte("a"))
		b.Write([]byte("b"))
		b.flush()
		b.holds(b.path, want)
	}
}

// Whoever renames or removes the file finds every line in one of the two, whole.
func TestRotation(t *testing.T) {
	b := open(t, "")
	b.Write([]byte("a"))
	b.flush()
	if err := os.Rename(b.path, b.path+".1"); err != nil {
		t.Fatal(err)
	}
	b.Write([]byte("b"))
	b.flush()
	b.holds(b.path+".1", "a\n")
	b.holds(b.path, "b\n")
	if err := os.Remove(b.path); err != nil {
		t.Fatal(err)
	}
	b.Write([]byte("c"))
	b.flush()
	b.holds(b.path, "c\n")
	if len(b.faults) > 0 {
		t.Error(b.faults)
	}
}

// A line that the disk took a part of goes on where it was begun, though the file
// was renamed meanwhile, and what came later stands behind it, once.
func TestDiskIsFull(t *testing.T) {
	b := open(t, "")
	good := b.file
	b.Write([]byte("first"))
	b.flush()

	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("this system has no /dev/full")
	}
	defer full.Close()
	b.torn = true // so that the renamed file is not looked for
	b.file = full
	for i := range 3 {
		b.Write(fmt.Append(nil, "line ", i))
		b.flush()
	}
	if len(b.faults) != 1 || b.faults[0] == nil {
		t.Fatalf("told %v, want one failure", b.faults)
	}
	b.file = good
	// The disk took "li" of what is pending before it was full.
	n, err := good.Write(b.pending[:2])
	if err != nil || n != 2 {
		t.Fatal(err)
	}
	b.pending = b.pending[2:]
	if err := os.Rename(b.path, b.path+".1"); err != nil {
		t.Fatal(err)
	}
	b.flush()
	b.holds(b.path+".1", "first\nline 0\n")
	b.holds(b.path, "line 1\nline 2\n")
	if len(b.faults) != 2 || b.faults[1] != nil {
		t.Errorf("told %v, want a failure and its end", b.faults)
	}
}

// What waits is bounded; what did not fit is counted.
func TestWaitingIsBounded(t *testing.T) {
	b := open(t, "")
	line := bytes.Repeat([]byte{'x'}, 1<<20-1)
	for range maxWaiting/len(line) + 3 {
		b.Write(line)
	}
	if waiting, lost := b.Stats(); waiting > maxWaiting || lost != 3 {
		t.Errorf("%d bytes wait, %d lines are lost", waiting, lost)
	}
	b.flush()
	if waiting, lost := b.Stats(); waiting != 0 || lost != 3 {
		t.Errorf("%d bytes wait, %d lines are lost", waiting, lost)
	}
}

// At its end Run writes what waits; nothing of many writers is missing or doubled,
// and each one's lines are in order.
func TestRun(t *testing.T) {
	b := open(t, "")
	ctx, cancel := context.WithCancel(context.Background())
	ended, written := make(chan struct{}), make(chan struct{}, 4)
	go func() { defer close(ended); b.Run(ctx) }()
	const lines = 2000
	for w := range 4 {
		go func() {
			for i := range lines {
				b.Write(fmt.Append(nil, w, " ", i))
			}
			written <- struct{}{}
		}()
	}
	for range 4 {
		<-written
	}
	cancel()
	<-ended
	text, err := os.ReadFile(b.path)
	if err != nil {
		t.Fatal(err)
	}
	next := [4]int{}
	for line := range strings.Lines(string(text)) {
		var w, i int
		if _, err := fmt.Sscanf(line, "%d %d\n", &w, &i); err != nil || i != next[w] {
			t.Fatalf("%q, want %d of writer %d (%v)", line, next[w], w, err)
		}
		next[w]++
	}
	if next != [4]int{lines, lines, lines, lines} {
		t.Errorf("%v", next)
	}
}

func TestOpenRefuses(t *testing.T) {
	if _, err := Open(t.TempDir(), nil); err == nil {
		t.Error("a folder")
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none", "a"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
}
