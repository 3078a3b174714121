package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"weir/scale"
)

// Version of the journal's lines. A reader refuses another.
const Version = 1

// Line is one step of one deployment in the journal: a JSON object on a line of
// its own. The state is the one before the decision; it and the policy stand
// in every checkpoint only (the first line of a deployment in a file, after
// every change of policy or loss of a line, and every CheckpointEvery lines):
// between two of them, each state follows from the one before.
type Line struct {
	Version     int               `json:"v"`
	Deployment  string            `json:"deployment"`
	By          string            `json:"by,omitempty"`     // what decided, if not the policy
	Holder      string            `json:"holder,omitempty"` // the leader, if there are several gateways
	Token       int64             `json:"token,omitempty"`  // of its term
	Observation scale.Observation `json:"observation"`
	Decision    scale.Decision    `json:"decision"`
	Acted       bool              `json:"acted,omitempty"`
	Err         string            `json:"err,omitempty"`
	Policy      *scale.Policy     `json:"policy,omitempty"`
	State       *scale.State      `json:"state,omitempty"`
}

// JournalOptions configure a Journal.
type JournalOptions struct {
	Path            string // made when it does not exist
	MaxBytes        int64  // from which on the file is set aside as Path.1, that as Path.2, and so on; 0: 64 MiB
	Keep            int    // files set aside that are kept; 0: 1
	CheckpointEvery int    // lines of a deployment between two that hold its whole state; 0: 100
	// Tell is called with what another program has done to the file; nil: not called.
	// It must not call the journal.
	Tell func(trouble string)
}

// Journal is the file. A line is one write, so that what a killed process
// wrote is whole but for the last line at most, which OpenJournal removes. It
// is not synced: a machine that loses power may lose the last seconds, and
// then what runs is held, as after any start without a state.
//
// A line that cannot be written (a full disk) is dropped and counted; the
// first of a row of them is an error, the others are not.
type Journal struct {
	o JournalOptions

	mu      sync.Mutex
	file    *os.File
	size    int64
	epoch   uint64 // rises when every deployment's next line must be a checkpoint
	broken  bool   // the last line was dropped
	dropped uint64
	closed  bool
}

// mark is where the last checkpoint of a deployment is.
type mark struct {
	epoch uint64 // 0: none yet
	lines int    // since
}

// OpenJournal opens or makes the file, removes a torn last line and goes on
// after it.
func OpenJournal(o JournalOptions) (*Journal, error) {
	if o.MaxBytes == 0 {
		o.MaxBytes = 64 << 20
	}
	if o.Keep == 0 {
		o.Keep = 1
	}
	if o.CheckpointEvery == 0 {
		o.CheckpointEvery = 100
	}
	j := &Journal{o: o}
	if err := j.open(); err != nil {
		return nil, fmt.Errorf("control: journal: %w", err)
	}
	return j, nil
}

func (j *Journal) open() error {
	if err := os.MkdirAll(filepath.Dir(j.o.Path), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(j.o.Path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := file.Chmod(0o600); err != nil && !errors.Is(err, os.ErrPermission) {
		return errors.Join(err, file.Close()) // one that was made by others stays as it is
	}
	size, err := wholeLines(file)
	if err == nil {
		err = file.Truncate(size)
	}
	if err == nil {
		_, err = file.Seek(size, io.SeekStart)
	}
	if err != nil {
		return errors.Join(err, file.Close())
	}
	j.file, j.size = file, size
	j.epoch++
	return nil
}

// wholeLines is the size of the file up to the end of its last whole line.
func wholeLines(f *os.File) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	buf := make([]byte, 64<<10)
	for end := info.Size(); end > 0; {
		from := max(0, end-int64(len(buf)))
		part := buf[:end-from]
		if _, err := f.ReadAt(part, from); err != nil {
			return 0, err
		}
		for i := len(part) - 1; i >= 0; i-- {
			if part[i] == '\n' {
				return from + int64(i) + 1, nil
			}
		}
		end = from
	}
	return 0, nil
}

// Dropped counts the lines that could not be written.
func (j *Journal) Dropped() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.dropped
}

// Close syncs and closes the file. Lines after that are dropped.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.closed = true
	if j.file == nil {
		return nil
	}
	err := errors.Join(j.file.Sync(), j.file.Close())
	j.file = nil
	return err
}

// write appends a line, as a checkpoint when one is due, and returns where the
// deployment's last checkpoint is now.
func (j *Journal) write(line Line, m mark, policy *scale.Policy, state *scale.State) (mark, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.look(); err != nil {
		return m, j.drop(err)
	}
	if m.epoch == j.epoch && m.lines+1 < j.o.CheckpointEvery {
		m.lines++
	} else {
		m = mark{epoch: j.epoch}
		line.Policy, line.State = policy, state
	}
	b, err := json.Marshal(line)
	if err != nil {
		return m, j.drop(fmt.Errorf("step of %q: %w", line.Deployment, err))
	}
	if err := j.append(append(b, '\n')); err != nil {
		return m, j.drop(err)
	}
	j.broken = false
	if j.size >= j.o.MaxBytes {
		if err := j.rotate(); err != nil {
			return m, j.drop(err)
		}
	}
	return m, nil
}

// append writes all of b or nothing: a part would spoil the line after it.
func (j *Journal) append(b []byte) error {
	if j.closed {
		return os.ErrClosed
	}
	if j.file == nil { // setting it aside failed half-way
		if err := j.open(); err != nil {
			return err
		}
	}
	n, err := j.file.Write(b)
	if err == nil {
		j.size += int64(n)
		return nil
	}
	if n > 0 {
		if undo := j.file.Truncate(j.size); undo != nil {
			err = errors.Join(err, undo)
		}
		if _, undo := j.file.Seek(j.size, io.SeekStart); undo != nil {
			err = errors.Join(err, undo)
		}
	}
	return err
}

// drop counts a line that is lost. What follows cannot be recomputed from the
// lines before it, so every deployment starts again with a checkpoint.
func (j *Journal) drop(err error) error {
	j.dropped++
	j.epoch++
	first := !j.broken
	j.broken = true
	if !first {
		return nil
	}
	return fmt.Errorf("control: journal %s cannot be written; decisions continue without it: %w", j.o.Path, err)
}

// rotate sets the file aside and begins a new one.
func (j *Journal) rotate() error {
	if err := j.file.Close(); err != nil {
		return err
	}
	j.file = nil
	for i := j.o.Keep; i > 0; i-- {
		if err := os.Rename(rotated(j.o.Path, i-1), rotated(j.o.Path, i)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return j.open()
}

// aside is the name of the i-th file set aside; 0 is the journal itself.
func rotated(path string, i int) string {
	if i == 0 {
		return path
	}
	return path + "." + strconv.Itoa(i)
}
