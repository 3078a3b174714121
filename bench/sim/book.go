package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"weir/sim"
)

// cell is a workload and its cold start.
type cell struct {
	Trace string  `json:"trace"`
	Load  float64 `json:"load"`
	Cold  float64 `json:"cold_s"`
}

// trial is one run.
type trial struct {
	cell
	Policy string  `json:"policy"`
	Knob   float64 `json:"knob"`
	Phase  int     `json:"phase"`
	Seed   int     `json:"seed"`
}

// row is the result of a trial.
type row struct {
	trial
	GPUHours   float64 `json:"gpu_h"`
	Idle       float64 `json:"idle_gpu_h"`
	Starting   float64 `json:"cold_gpu_h"`
	Attainment float64 `json:"attainment"`
	Worst      float64 `json:"worst_5min"`
	Violated   float64 `json:"violated_min"`
	Changes    int     `json:"changes"`
	Reversals  int     `json:"reversals"`
	GoodTokens uint64  `json:"good_tokens"`
}

func rowOf(t trial, r *sim.Result) row {
	return row{
		trial: t, GPUHours: r.GPU.Allocated.Hours(), Idle: r.GPU.Idle.Hours(), Starting: r.GPU.ColdStart.Hours(),
		Attainment: r.Attainment, Worst: r.WorstWindow, Violated: r.Violated.Minutes(),
		Changes: r.Changes, Reversals: r.Reversals, GoodTokens: r.GoodTokens,
	}
}

// book is what has been run, in memory and in its file.
type book struct {
	mu   sync.Mutex
	file *os.File
	rows map[trial]row
}

func openBook(path string) (*book, error) {
	b := &book{rows: map[trial]row{}}
	old, err := os.Open(path)
	if err == nil {
		lines := bufio.NewScanner(old)
		for n := 1; lines.Scan(); n++ {
			var r row
			if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
				old.Close()
				return nil, fmt.Errorf("%s, line %d: %w", path, n, err)
			}
			b.rows[r.trial] = r
		}
		err = errors.Join(lines.Err(), old.Close())
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	b.file, err = os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	return b, err
}

func (b *book) close() error { return b.file.Close() }

func (b *book) has(t trial) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, ok := b.rows[t]
	return ok
}

func (b *book) add(r row) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rows[r.trial] = r
	line, err := json.Marshal(r)
	if err == nil {
		_, err = b.file.Write(append(line, '\n'))
	}
	return err
}

func (b *book) row(t trial) row {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rows[t]
}
