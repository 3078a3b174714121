// Package trace is the arrivals of requests: recorded ones read from a file as
// a stream, or drawn from a seed, and decorators that cut, speed up or thin
// them. The simulator and the load tester play the same sources. It opens no
// file and knows no clock: the caller brings the reader, arrivals carry the
// time since the trace began.
package trace

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// Arrival is one request of a trace.
type Arrival struct {
	At     time.Duration // since the trace began; never decreases from one to the next
	Prompt int           // tokens, at least 1
	Output int           // tokens the model really produced, at least 1; a policy must not look at it
	Prefix []uint64      // block ids, equal leading ids mean a shared prefix; nil where the trace has none
	Client int           // anonymous tenant of the source; 0 where the trace has none
}

// Source yields arrivals in order of time. After the last one it returns
// io.EOF. An Arrival's Prefix is the caller's to keep.
type Source interface {
	Next() (Arrival, error)
}

// ErrFormat wraps every fault of a trace file; the message says line and column.
var ErrFormat = errors.New("trace format")

// Bounds of one line of a trace, so that a hostile file costs no memory.
const (
	maxLine   = 1 << 20
	maxTokens = 100_000_000
	maxBlocks = 100_000
)

func faultf(line int, format string, args ...any) error {
	return fmt.Errorf("%w: line %d: %s", ErrFormat, line, fmt.Sprintf(format, args...))
}

// Slice is a Source over arrivals in memory.
type Slice []Arrival

// Next takes the first arrival off the slice.
func (s *Slice) Next() (Arrival, error) {
	if len(*s) == 0 {
		return Arrival{}, io.EOF
	}
	a := (*s)[0]
	*s = (*s)[1:]
	return a, nil
}

// ReadAll reads s to its end.
func ReadAll(s Source) ([]Arrival, error) {
	var all []Arrival
	for {
		a, err := s.Next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		all = append(all, a)
	}
}
