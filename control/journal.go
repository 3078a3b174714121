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

// Version of the journal's lines. A reader refuses any other.
const Version = 1

// Line is one step of one deployment in the journal: a JSON object on a line of
// its own. The state is the one before the decision. State and policy are only
// in checkpoints: the first line of a deployment in a file, the first after a
// change of policy or the loss of a line, and one every CheckpointEvery lines.
// Between two checkpoints each state follows from the one before.
type Line struct {
	Version     int               `json:"v"`
	Deployment  string            `json:"deployment"`
	By          string            `json:"by,omitempty"`     // the decider, if not the policy
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
	Path            string // created if it does not exist
	MaxBytes        int64  // size at which the file is renamed to Path.1, that to Path.2, and so on; 0: 64 MiB
	Keep            int    // number of renamed files kept; 0: 1
	CheckpointEvery int    // lines of a deployment between two checkpoints; 0: 100
	// Tell gets reports of changes to the file by other programs; nil: not
	// called. It must not call the journal.
	Tell func(trouble string)
}

// Journal is the file. A line is one write: after a killed process at most the
// last line is torn, and OpenJournal removes it. The file is not synced. A
// power failure may lose the last seconds, and then the running replicas are
// held, as after any start without a state.
//
// A line that cannot be written (a full disk) is dropped and counted. The first
// of a series is an error, the others are not.
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

// mark is the position of a deployment's last checkpoint.
type mark struct {
	epoch uint64 // 0: none yet
	lines int    // since the checkpoint
}

// OpenJournal opens or creates the file, removes a torn last line and appends
// after the rest.
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
		return errors.Join(err, file.Close()) // another user's file keeps its mode
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

// wholeLines returns the size of the file up to the end of its last whole line.
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

// Dropped returns the number of lines that could not be written.
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

// write appends a line, as a checkpoint if one is due, and returns the position
// of the deployment's last checkpoint.
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

// append writes all of b or nothing: a part would spoil the next line.
func (j *Journal) append(b []byte) error {
	if j.closed {
		return os.ErrClosed
	}
	if j.file == nil { // a rotation failed half-way
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

// drop counts a lost line. Later states do not follow from the lines before it:
// every deployment starts again with a checkpoint.
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

// rotate renames the file and starts a new one.
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

// rotated returns the name of the i-th renamed file; 0 is the journal itself.
func rotated(path string, i int) string {
	if i == 0 {
		return path
	}
	return path + "." + strconv.Itoa(i)
}
