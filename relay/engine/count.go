package engine

import (
	"sync/atomic"

	"github.com/pion/logging"
)

// Fault is something that pion, or a caller, never does as far as is known. It
// is counted, so that a wrong belief shows.
type Fault uint8

// The faults.
const (
	// FaultAnswer: an answer that can not be read, is of another transaction
	// or method, or says what it must not.
	FaultAnswer Fault = iota
	// FaultSecond: a second answer to one request.
	FaultSecond
	// FaultStray: an answer without a request, or to another client.
	FaultStray
	// FaultNonce: no nonce where one was asked for.
	FaultNonce
	// FaultAuth: pion asked for the key of a client not being served.
	FaultAuth
	// FaultOpen: pion asked for a relay where none is due, or open returned no
	// usable address.
	FaultOpen
	// FaultWrite: pion wrote to a relay.
	FaultWrite
	// FaultExpired: pion's own timer ended a leg. The caller should have, a
	// slack earlier.
	FaultExpired
	// NumFaults is how many there are.
	NumFaults
)

var faultNames = [NumFaults]string{
	"answer", "second", "stray", "nonce", "auth", "open", "write", "expired",
}

// String is the fault's name as a metric label.
func (f Fault) String() string {
	if f < NumFaults {
		return faultNames[f]
	}
	return "unknown"
}

type faults [NumFaults]atomic.Uint64

func (f *faults) count(which Fault) { f[which].Add(1) }

// Level is a level of pion's log.
type Level uint8

// The levels.
const (
	LevelError Level = iota
	LevelWarn
	LevelInfo
	LevelDebug
	LevelTrace
	// NumLevels is how many there are.
	NumLevels
)

var levelNames = [NumLevels]string{"error", "warn", "info", "debug", "trace"}

// String is the level's name as a metric label.
func (l Level) String() string {
	if l < NumLevels {
		return levelNames[l]
	}
	return "unknown"
}

// logs is a logging.LoggerFactory and its only logger: it counts and formats
// nothing, because pion logs several lines for each request.
type logs struct {
	count [NumLevels]atomic.Uint64
}

func (l *logs) NewLogger(string) logging.LeveledLogger { return l }

func (l *logs) Trace(string)          { l.count[LevelTrace].Add(1) }
func (l *logs) Tracef(string, ...any) { l.count[LevelTrace].Add(1) }
func (l *logs) Debug(string)          { l.count[LevelDebug].Add(1) }
func (l *logs) Debugf(string, ...any) { l.count[LevelDebug].Add(1) }
func (l *logs) Info(string)           { l.count[LevelInfo].Add(1) }
func (l *logs) Infof(string, ...any)  { l.count[LevelInfo].Add(1) }
func (l *logs) Warn(string)           { l.count[LevelWarn].Add(1) }
func (l *logs) Warnf(string, ...any)  { l.count[LevelWarn].Add(1) }
func (l *logs) Error(string)          { l.count[LevelError].Add(1) }
func (l *logs) Errorf(string, ...any) { l.count[LevelError].Add(1) }
