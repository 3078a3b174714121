package main

import (
	"fmt"
	"log"
	"slices"
	"time"
)

// Rows of the table, in its order.
const (
	cpu1k       = "CPU per 1,000 requests of 1 KB, 64 connections (ms)"
	cpu50k      = "CPU per 1,000 requests of 50 KB, 64 connections (ms)"
	cpuEmbed    = "CPU per 1,000 embeddings with an answer of 19 KB, 64 connections (ms)"
	rps64       = "requests/s of 1 KB, 64 connections"
	rps500      = "requests/s of 1 KB, 500 connections"
	added50     = "added p50 at the fixed rate (ms)"
	added99     = "added p99 at the fixed rate (ms)"
	first50     = "streams: added time to first chunk, p50 (ms)"
	first99     = "streams: added time to first chunk, p99 (ms)"
	cpuEvents   = "streams: CPU per 1,000 events (ms)"
	streamBytes = "streams: memory per open stream (KiB)"
)

var rows = []string{cpu1k, cpu50k, cpuEmbed, rps64, rps500, added50, added99, first50, first99, cpuEvents, streamBytes}

// figures holds every measurement: row, proxy, rounds.
type figures struct {
	all  map[string]map[string][]float64
	rate float64 // of the fixed-rate measurement
	// broken counts streams that a proxy ended early, over all rounds.
	broken map[string]int64
	others float64 // share of the processors' time that other programs took
}

func (f *figures) add(row, proxy string, v float64) {
	if f.all[row] == nil {
		f.all[row] = map[string][]float64{}
	}
	f.all[row][proxy] = append(f.all[row][proxy], v)
}

func (f *figures) median(row, proxy string) float64 {
	v := slices.Clone(f.all[row][proxy])
	if len(v) == 0 {
		return 0
	}
	slices.Sort(v)
	if n := len(v); n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2
	}
	return v[len(v)/2]
}

// measure takes the proxies in turn, round after round: a disturbance of the
// machine then meets all of them.
func measure(w *world, p plan) (*figures, error) {
	f := &figures{all: map[string]map[string][]float64{}, broken: map[string]int64{}}
	steps := []func(*world, *target, plan) error{f.throughput, f.latency, f.streaming}
	for i, step := range steps {
		for round := range p.rounds {
			log.Printf("part %d of %d, round %d of %d", i+1, len(steps)+1, round+1, p.rounds)
			for _, t := range w.targets {
				quiet()
				if err := step(w, t, p); err != nil {
					return nil, fmt.Errorf("%s: %w", t.name, err)
				}
			}
		}
		if i == 0 {
			// Of the slowest round: a rate that is too much for a disturbed
			// moment measures the disturbance.
			f.rate = slices.Min(f.all[rps64][w.targets[len(w.targets)-1].name]) / 2
		}
	}
	log.Printf("part %d of %d: %d open streams", len(steps)+1, len(steps)+1, p.held)
	for _, t := range w.targets {
		held, err := heldStreams(t, p.held)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", t.name, err)
		}
		f.add(streamBytes, t.name, float64(held)/1024)
	}
	return f, nil
}

func (f *figures) throughput(_ *world, t *target, p plan) error {
	rps, cpu, err := closedLoop(t, 64, request(askAnswer, 1<<10), p.closed)
	if err != nil {
		return err
	}
	f.add(rps64, t.name, rps)
	f.add(cpu1k, t.name, ms(cpu))
	if _, cpu, err = closedLoop(t, 64, request(askAnswer, 50<<10), p.closed); err != nil {
		return err
	}
	f.add(cpu50k, t.name, ms(cpu))
	if _, cpu, err = closedLoop(t, 64, embedding(), p.closed); err != nil {
		return err
	}
	f.add(cpuEmbed, t.name, ms(cpu))
	if rps, _, err = closedLoop(t, 500, request(askAnswer, 1<<10), p.closed); err != nil {
		return err
	}
	f.add(rps500, t.name, rps)
	return nil
}

func (f *figures) latency(w *world, t *target, p plan) error {
	d50, d99, err := fixedRate(w.upstream, f.rate, 64, 1<<10, p.open/2)
	if err != nil {
		return err
	}
	p50, p99, err := fixedRate(t, f.rate, 64, 1<<10, p.open)
	if err != nil {
		return err
	}
	f.add(added50, t.name, ms(p50-d50))
	f.add(added99, t.name, ms(p99-d99))
	return nil
}

func (f *figures) streaming(w *world, t *target, p plan) error {
	direct, err := pacedStreams(w.upstream, p.streams, p.paced/4)
	if err != nil {
		return err
	}
	seen, err := pacedStreams(t, p.streams, p.paced)
	if err != nil {
		return err
	}
	f.add(first50, t.name, ms(seen.first50-direct.first50))
	f.add(first99, t.name, ms(seen.first99-direct.first99))
	f.add(cpuEvents, t.name, ms(seen.cpu))
	f.broken[t.name] += seen.broken
	return nil
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
