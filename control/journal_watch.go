package control

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// look checks whether another program has emptied, cut, replaced or removed the
// file since the last line. If so it reports it and appends to the present
// file, and the next line of every deployment is a checkpoint.
func (j *Journal) look() error {
	if j.file == nil || j.closed {
		return nil
	}
	here, err := j.file.Stat()
	if err != nil {
		return err
	}
	named, err := os.Stat(j.o.Path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return j.again("was removed: its lines are lost, and a new one is started")
	case err != nil:
		return err
	case !os.SameFile(here, named):
		return j.again("was replaced by another file: later lines are not in it")
	case here.Size() < j.size:
		lost := j.size - here.Size()
		return j.again(fmt.Sprintf("was truncated by another program: %d of its %d bytes are lost, and their decisions cannot be replayed", lost, j.size))
	case here.Size() > j.size:
		return j.again(fmt.Sprintf("was written to by another program: %d bytes are not Weir's", here.Size()-j.size))
	}
	return nil
}

// again opens the file at its path.
func (j *Journal) again(trouble string) error {
	j.tell(fmt.Sprintf("journal %s %s", j.o.Path, trouble))
	err := j.file.Close()
	j.file = nil
	return errors.Join(err, j.open())
}

func (j *Journal) tell(trouble string) {
	if j.o.Tell != nil {
		j.o.Tell(trouble)
	}
}

// maxTrouble bounds the lines that Examine lists.
const maxTrouble = 5

// Examine returns the faults at the end of a journal that Recover reads: an
// empty file, and unreadable lines, by number if the file is read from its
// start, otherwise by byte offset. A torn last line is left by a killed process
// and is no fault. A missing file has none.
func Examine(path string) (trouble []string, err error) {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("control: journal: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("control: journal: %w", err)
	}
	if info.Size() == 0 {
		return []string{fmt.Sprintf("journal %s is empty: earlier decisions are unknown, and the current replicas are held", path)}, nil
	}
	from := max(0, info.Size()-recoverBytes)
	if _, err := file.Seek(from, io.SeekStart); err != nil {
		return nil, fmt.Errorf("control: journal: %w", err)
	}
	trouble, err = examine(file, from)
	for i := range trouble {
		trouble[i] = fmt.Sprintf("journal %s: %s", path, trouble[i])
	}
	return trouble, err
}

func examine(r io.Reader, at int64) (trouble []string, err error) {
	lines, number, bad, cut := bufio.NewReader(r), 0, 0, at > 0
	for {
		b, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break // the last line is complete or torn
		}
		if err != nil {
			return trouble, err
		}
		number++
		first := number == 1 && cut // starts in the middle of a line
		var line Line
		if why := json.Unmarshal(bytes.TrimSpace(b), &line); why != nil && !first {
			if bad++; bad <= maxTrouble {
				trouble = append(trouble, fmt.Sprintf("%s cannot be read (%v): its decision is lost", whichLine(number, at, cut), why))
			}
		}
		at += int64(len(b))
	}
	if bad > maxTrouble {
		trouble = append(trouble, fmt.Sprintf("%d further lines cannot be read", bad-maxTrouble))
	}
	return trouble, nil
}

func whichLine(number int, at int64, cut bool) string {
	if cut {
		return fmt.Sprintf("the line at byte %d", at)
	}
	return fmt.Sprintf("line %d", number)
}
