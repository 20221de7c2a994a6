package accounting

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"
)

const (
	// maxWaiting bounds the lines in memory that wait for the disk, in bytes:
	// about 30,000 sessions; as many again may be on their way.
	maxWaiting = 16 << 20
	// syncEvery is how much a power cut may cost.
	syncEvery = time.Second
)

// File is lines in a file. It is safe for concurrent use.
type File struct {
	path  string
	fault func(error) // told of the first failure, and with nil of its end
	kick  chan struct{}

	mu      sync.Mutex // guards the following
	waiting []byte     // lines nobody has begun to write
	lost    uint64

	// Of Run alone.
	file    *os.File
	pending []byte // what is being written
	torn    bool   // it begins with the rest of a line that the file has the start of
	failing bool
	unsaved bool
}

// Open makes the file if it is not there. What a crash has left of a last line is
// ended, so that the next stands by itself. Nothing is written before [File.Run].
func Open(path string, fault func(error)) (*File, error) {
	f := &File{path: path, fault: fault, kick: make(chan struct{}, 1)}
	if err := f.open(); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *File) open() error {
	file, err := os.OpenFile(f.path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o640)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", f.path)
	}
	if err == nil {
		err = endLine(file, info.Size())
	}
	if err != nil {
		file.Close()
		return err
	}
	f.file = file
	return nil
}

// endLine ends the last line of a file.
func endLine(file *os.File, size int64) error {
	if size == 0 {
		return nil
	}
	var last [1]byte
	if _, err := file.ReadAt(last[:], size-1); err != nil {
		return err
	}
	if last[0] == '\n' {
		return nil
	}
	_, err := file.Write([]byte{'\n'})
	return err
}

// Write has one line appended, which has no line end yet. It does not wait: beyond
// what may wait for the disk a line is lost and counted.
func (f *File) Write(line []byte) {
	f.mu.Lock()
	if len(f.waiting)+len(line)+1 > maxWaiting {
		f.lost++
	} else {
		f.waiting = append(append(f.waiting, line...), '\n')
	}
	f.mu.Unlock()
	select {
	case f.kick <- struct{}{}:
	default:
	}
}

// Stats are the bytes that wait for the disk and the lines that were lost.
func (f *File) Stats() (waiting int, lost uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.waiting), f.lost
}

// Run writes until ctx ends, and then what waits. What the disk does not take is
// tried again every second.
func (f *File) Run(ctx context.Context) {
	tick := time.NewTicker(syncEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-f.kick:
			f.flush()
		case <-tick.C:
			f.flush()
			f.save()
		}
	}
	f.flush()
	f.save()
	if err := f.file.Close(); err != nil {
		f.tell(err)
	}
}

func (f *File) flush() {
	for {
		err := f.write()
		f.tell(err)
		if err != nil || !f.more() {
			return
		}
	}
}

// more takes the lines that wait, once those before are written.
func (f *File) more() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pending, f.waiting = f.waiting, f.pending[:0]
	return len(f.pending) > 0
}

func (f *File) tell(err error) {
	if failing := err != nil; failing != f.failing {
		f.failing = failing
		f.fault(err)
	}
}

// write writes what is pending. The rest of a line goes to where it was begun.
func (f *File) write() error {
	if !f.torn {
		if err := f.follow(); err != nil {
			return err
		}
	}
	if len(f.pending) == 0 {
		return nil
	}
	n, err := f.file.Write(f.pending)
	if n > 0 {
		f.unsaved = true
		f.torn = f.pending[n-1] != '\n'
		f.pending = f.pending[:copy(f.pending, f.pending[n:])]
	}
	return err
}

// follow begins a new file if the one that is open was renamed or removed.
func (f *File) follow() error {
	at, err := os.Stat(f.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err == nil {
		open, err := f.file.Stat()
		if err != nil || os.SameFile(at, open) {
			return err
		}
	}
	old := f.file
	if err := f.open(); err != nil {
		return err
	}
	return errors.Join(old.Sync(), old.Close())
}

// save has the disk keep what was written.
func (f *File) save() {
	if f.unsaved {
		err := f.file.Sync()
		f.unsaved = err != nil
		f.tell(err)
	}
}
