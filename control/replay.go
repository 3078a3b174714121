package control

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"weir"
	"weir/scale"
)

// recoverBytes is the size of the journal's end that Recover reads: many times
// the lines between two checkpoints of every deployment.
const recoverBytes = 32 << 20

// maxLine bounds a line to read: no fleet writes a longer one.
const maxLine = 64 << 20

// Recover reads the state of every deployment from the end of the journal: its
// last checkpoint, and from there by repeating the decisions. A missing journal
// is not an error. A torn last line and unreadable lines are skipped.
func Recover(path string) (map[string]scale.State, error) {
	states := map[string]scale.State{}
	for i := 1; i >= 0; i-- { // the last renamed file too, in case a new one has just begun
		file, err := os.Open(rotated(path, i))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("control: state from the journal: %w", err)
		}
		err = recoverFrom(file, states)
		if err = errors.Join(err, file.Close()); err != nil {
			return nil, fmt.Errorf("control: state from the journal %s: %w", rotated(path, i), err)
		}
	}
	return states, nil
}

func recoverFrom(file *os.File, states map[string]scale.State) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if from := info.Size() - recoverBytes; from > 0 {
		if _, err := file.Seek(from, io.SeekStart); err != nil {
			return err
		}
	}
	known := map[string]scale.Decider{}
	lines := newScanner(file)
	for lines.Scan() {
		var line Line
		if json.Unmarshal(lines.Bytes(), &line) != nil || line.Version != Version {
			continue
		}
		if line.State != nil && line.Policy != nil {
			states[line.Deployment] = *line.State
			known[line.Deployment] = line.Policy.Decider()
		}
		if decide := known[line.Deployment]; decide != nil && line.By == "" {
			_, states[line.Deployment] = decide(states[line.Deployment], line.Observation)
		}
	}
	return lines.Err()
}

func newScanner(r io.Reader) *bufio.Scanner {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 64<<10), maxLine)
	return s
}

// Difference is a decision that differs from the journal's.
type Difference struct {
	Line       int // of the input, from 1
	At         weir.Instant
	Deployment string
	Wrote, Now scale.Decision
}

// Report is the result of a replay.
type Report struct {
	Lines     int // read
	Decisions int // recomputed
	Skipped   int // before the first checkpoint of their deployment, or torn at the end
	First     *Difference
	Different int

	Differences []Difference // the first keptDifferences
	Sums        []Sum        // by deployment, in order of their first lines
}

// Sum is the number of wanted replicas of one deployment over all its steps:
// replicas times the time until the next step, without gaps of more than a
// minute.
type Sum struct {
	Deployment string
	Other      bool // another policy than its own decided in the replay
	Steps      int
	Wrote, Now time.Duration
}

// keptDifferences bounds Report.Differences.
const keptDifferences = 1000

// Replay recomputes every decision of a journal from its observations. with
// returns the Decider for a deployment, given its policy in the journal. With
// nil, or a nil Decider, that policy itself decides: it starts again at every
// checkpoint with the state there, and must reach the same decision byte for
// byte. Another Decider starts at the first checkpoint without a state and
// keeps its own state from there; it differs where it wants another number.
func Replay(r io.Reader, with func(deployment string, p scale.Policy) scale.Decider) (Report, error) {
	p := replay{with: with, known: map[string]*replayed{}}
	err := p.read(r)
	for _, s := range p.sums {
		p.report.Sums = append(p.report.Sums, *s)
	}
	return p.report, err
}

func (p *replay) read(r io.Reader) error {
	lines := newScanner(r)
	var torn error
	for lines.Scan() {
		p.report.Lines++
		if torn != nil {
			return torn // it was not the last line
		}
		var line Line
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			torn = fmt.Errorf("journal line %d: %w", p.report.Lines, err)
			p.report.Skipped++
			continue
		}
		if line.Version != Version {
			return fmt.Errorf("journal line %d is of version %d, this reads %d", p.report.Lines, line.Version, Version)
		}
		if err := p.line(&line); err != nil {
			return err
		}
	}
	return lines.Err()
}

type replay struct {
	with   func(string, scale.Policy) scale.Decider
	known  map[string]*replayed
	sums   []*Sum
	report Report
}

type replayed struct {
	sum    *Sum
	before Difference // the previous step
	decide scale.Decider
	state  scale.State
	own    bool // the journal's own policy decides
}

func (p *replay) line(line *Line) error {
	d := p.known[line.Deployment]
	if line.Policy != nil && line.State != nil {
		d = p.checkpoint(d, line)
		p.known[line.Deployment] = d
	}
	if d == nil || d.own && line.By != "" {
		p.report.Skipped++
		return nil
	}
	var now scale.Decision
	now, d.state = d.decide(d.state, line.Observation)
	p.report.Decisions++
	step := Difference{Line: p.report.Lines, At: line.Observation.Now, Deployment: line.Deployment, Wrote: line.Decision, Now: now}
	d.add(step)
	same, err := now.Want == line.Decision.Want, error(nil)
	if d.own {
		same, err = equal(line.Decision, now)
	}
	if err != nil || same {
		return err
	}
	p.report.Different++
	if p.report.First == nil {
		p.report.First = &step
	}
	if len(p.report.Differences) < keptDifferences {
		p.report.Differences = append(p.report.Differences, step)
	}
	return nil
}

// add counts the wanted replicas from the previous step until this one.
func (d *replayed) add(step Difference) {
	const gap = time.Minute
	d.sum.Steps++
	if took := step.At.Sub(d.before.At); d.before.At > 0 && took > 0 && took <= gap {
		d.sum.Wrote += took * time.Duration(d.before.Wrote.Want)
		d.sum.Now += took * time.Duration(d.before.Now.Want)
	}
	d.before = step
}

// checkpoint starts again from the line's policy and state. Another policy
// keeps its own state, if it has one.
func (p *replay) checkpoint(d *replayed, line *Line) *replayed {
	next := &replayed{decide: line.Policy.Decider(), state: *line.State, own: true}
	if d != nil {
		next.sum, next.before = d.sum, d.before
	} else {
		next.sum = &Sum{Deployment: line.Deployment}
		p.sums = append(p.sums, next.sum)
	}
	if p.with != nil {
		if decide := p.with(line.Deployment, *line.Policy); decide != nil {
			next.decide, next.own, next.state, next.sum.Other = decide, false, scale.State{}, true
			if d != nil {
				next.state = d.state
			}
		}
	}
	return next
}

// equal compares two decisions as the journal writes them, byte for byte.
func equal(a, b scale.Decision) (bool, error) {
	x, err := json.Marshal(a)
	if err != nil {
		return false, err
	}
	y, err := json.Marshal(b)
	return bytes.Equal(x, y), err
}
